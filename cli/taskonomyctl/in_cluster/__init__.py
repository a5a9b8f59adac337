"""What an installation runs in pods of its own: loading every Study, and trying itself out."""
