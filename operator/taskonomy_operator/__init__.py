"""The controller: one Study becomes Kubernetes Jobs, or processes on a laptop.

Plans and reconciles; `cluster` will be the only module that talks to the API server. Knows the
catalogue, and neither the training jobs nor the warehouse.
"""
