"""The training jobs' place: data, networks, losses and the loop that a trial runs.

The only package that may import torch. Knows the catalogue, and neither the controller nor the
warehouse: what a trial leaves behind is files. Nothing runs here in this version.
"""
