"""The controller's place: what turns a Study into Kubernetes Jobs, or processes on a laptop.

Knows the catalogue, and neither the training jobs nor the warehouse; the Kubernetes client may be
imported by its module ``cluster`` alone. Nothing runs here in this version.
"""
