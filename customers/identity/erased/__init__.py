"""The identifiers of erased people, as keyed hashes: nothing that still arrives with one of them creates the person again."""
