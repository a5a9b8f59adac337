"""Our Adam against torch's, bit for bit."""

import torch

from taskonomy_jobs.adam import Adam


def test_it_moves_parameters_as_torch_does() -> None:
    torch.manual_seed(0)
    ours = [torch.randn(5, 3).requires_grad_(), torch.randn(7).requires_grad_()]
    theirs = [parameter.detach().clone().requires_grad_() for parameter in ours]
    adam = Adam(ours, weight_decay=0.01)
    reference = torch.optim.Adam(theirs, weight_decay=0.01, fused=True)
    for step in range(8):
        rate = 0.01 / (step + 1)
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn_like(own)
            other.grad = own.grad.clone()
        if step == 4:  # goes on from what it kept
            kept = adam.state_dict()
            adam = Adam(ours, weight_decay=0.01)
            adam.load_state_dict(kept)
        adam.step(rate)
        reference.param_groups[0]["lr"] = rate
        reference.step()
    for own, other in zip(ours, theirs, strict=True):
        assert torch.equal(own, other)
