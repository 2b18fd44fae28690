"""`compile_kernels` compiles what training, serving and searching need, without a database."""

from django.core.management import call_command

from recommendations.engine.online.component_kernels import score_components
from recommendations.engine.online.selection_kernels import select_limited
from recommendations.engine.text_search.kernels import find_near_terms
from recommendations.engine.variety.kernels import collect_members

KERNELS = (score_components, select_limited, find_near_terms, collect_members)


def test_the_kernels_are_compiled_without_a_database() -> None:
    call_command("compile_kernels")
    assert [kernel.__name__ for kernel in KERNELS if not kernel.signatures] == []
