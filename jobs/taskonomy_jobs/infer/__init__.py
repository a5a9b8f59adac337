"""Inference: a solved taxonomy applied to images or a video, each shared encoder run once a frame.

`frames` reads what is given, `networks` predicts every target, `speed` measures what sharing is
worth, `tiles` draws, `writing` makes files. ``python -m taskonomy_jobs.infer`` is the command.
"""
