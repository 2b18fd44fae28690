"""The sections of the digest, one file each."""
