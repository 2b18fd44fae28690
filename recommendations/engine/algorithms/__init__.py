"""Recommendation algorithms, one module each; importing this package registers them and the rating algorithms."""

from importlib import import_module
from pkgutil import walk_packages

from recommendations.engine import ratings

for _package in (__path__, ratings.__path__):
    _prefix = __name__ if _package is __path__ else ratings.__name__
    for _module in walk_packages(_package, f"{_prefix}."):
        import_module(_module.name)
