"""Which sources to supervise, and which transfer serves each target: the boolean integer program.

`settings` says what is asked, `data` turns a study into a `Problem`, `model` writes it in Pyomo,
`solvers` runs CBC or HiGHS, `solve` sweeps budgets and orders, `explain` says why one has no
answer, `results` keeps the answers in the warehouse. Zamir et al. 2018, section 3.4.
"""
