"""The models of demand, one file each; `registry` lists them."""
