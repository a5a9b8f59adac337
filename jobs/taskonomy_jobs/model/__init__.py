"""Networks: encoders, decoders, the readout of transfers, and what trials put together."""
