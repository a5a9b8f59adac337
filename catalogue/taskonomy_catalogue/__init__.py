"""The vocabulary every other package shares: tasks, trials, the Study spec, errors.

Depends on pydantic alone and on none of the other packages, so that the controller, the training
jobs and the warehouse can meet here without importing one another.
"""
