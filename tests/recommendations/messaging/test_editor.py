"""Edits of the block editor change only what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendations.messaging.editor.blocks import EditorBlock, build_blocks, read_fields
from recommendations.messaging.editor.fields import PLACEMENT_CHOICES
from recommendations.messaging.editor.operations import (
    add_block,
    duplicate_block,
    edit_block,
    insert_source,
    move_block,
    remove_block,
)
from recommendations.messaging.mjml.edits import EditError, find_element, get_source, restore_line_endings
from recommendations.messaging.mjml.tree import parse_source

SOURCE = """<mjml>
  <mj-body  background-color='#fff'>\r
    <!-- a note -->
    <mj-section   padding = "0"><mj-column>
        <mj-text  font-size='12px'  >Hello {{ customer.name }}</mj-text>
\t<mj-image src="https://a.example/x.png" />
      <mj-social><mj-social-element name="x" href="https://x.example"/></mj-social></mj-column>
      <mj-column></mj-column>
    </mj-section>
    <mj-products n="3"/>
    <mj-footer></mj-footer>
  </mj-body>
</mjml>
"""
ODD = st.text(alphabet=" \n\t\r", max_size=3)
TEXTS = st.text(alphabet="aé你 {}&;\"'", max_size=8)
LEAVES = st.one_of(
    st.builds(
        '<mj-text{0}align="{1}"{0}>{2}</mj-text>'.format,
        st.sampled_from([" ", "\n  "]),
        st.sampled_from(["left", "x"]),
        TEXTS,
    ),
    st.builds("<mj-image src='https://a.example/{0}' />".format, st.sampled_from(["1", "2?a=1&amp;b"])),
    st.builds("<mj-table><tr><td>{0}</td></tr></mj-table>".format, st.sampled_from(["a", "<b>c</b>", "<!-- > -->"])),
    st.builds("<mj-button>{0}</mj-button>".format, TEXTS),
)


@st.composite
def sources(draw: st.DrawFn) -> str:
    """Return MJML written in every way people write it."""

    def draw_list(element: st.SearchStrategy[str], max_size: int) -> str:
        parts = draw(st.lists(element, max_size=max_size))
        return "".join(draw(ODD) + part for part in parts) + draw(ODD)

    columns = st.builds(lambda _number: f"<mj-column>{draw_list(LEAVES, 3)}</mj-column>", st.integers())
    sections = st.builds(lambda _number: f"<mj-section>{draw_list(columns, 2)}</mj-section>", st.integers())
    blocks = st.one_of(sections, st.just("<mj-footer></mj-footer>"), st.just("<!-- c --><mj-raw><b>x</b></mj-raw>"))
    return f"<mjml>{draw(ODD)}<mj-body>{draw_list(blocks, 3)}</mj-body>{draw(ODD)}</mjml>{draw(ODD)}"


def list_blocks(source: str) -> list[EditorBlock]:
    def walk(blocks: list[EditorBlock]) -> list[EditorBlock]:
        return [block for top in blocks for block in (top, *walk(top.children))]

    return walk(build_blocks(parse_source(source)))


@given(sources())
def test_blocks_that_are_saved_unchanged_leave_every_character(source: str) -> None:
    tree = parse_source(source)
    for block in list_blocks(source):
        element = find_element(tree, [int(part) for part in block.path.split(".")])
        values = {item.field.name: item.value for item in read_fields(tree, element)}
        assert edit_block(source, block.path, values).source == source


@given(sources(), st.data())
def test_an_edit_leaves_everything_outside_of_the_block(source: str, data: st.DataObject) -> None:
    blocks = [block for block in list_blocks(source) if block.tag in ("mj-text", "mj-button", "mj-image")]
    if not blocks:
        return
    block = data.draw(st.sampled_from(blocks))
    path = [int(part) for part in block.path.split(".")]
    name = "src" if block.tag == "mj-image" else "content"
    result = edit_block(source, block.path, {name: "changed & <b>bold</b>"}).source
    before, after = find_element(parse_source(source), path), find_element(parse_source(result), path)
    assert result[: after.start] == source[: before.start]
    assert result[after.end :] == source[before.end :]
    assert "changed" in result[after.start : after.end]
    assert parse_source(result).problems == parse_source(source).problems


@given(sources(), st.data())
def test_a_removed_block_comes_back_character_by_character(source: str, data: st.DataObject) -> None:
    blocks = list_blocks(source)
    if not blocks:
        return
    block = data.draw(st.sampled_from(blocks))
    result = remove_block(source, block.path)
    assert len(list_blocks(result.source)) < len(blocks)
    tree = parse_source(source)
    element = find_element(tree, [int(part) for part in block.path.split(".")])
    assert result.removed.endswith(get_source(tree, element))
    if result.removed[:1].isspace() and not source[: element.start].rstrip().endswith("-->"):
        assert insert_source(result.source, block.path, result.removed).source == source


@given(sources(), st.data())
def test_moving_down_and_up_again_changes_nothing(source: str, data: st.DataObject) -> None:
    blocks = [block for block in list_blocks(source) if not block.is_last]
    if not blocks:
        return
    block = data.draw(st.sampled_from(blocks))
    moved = move_block(source, block.path, block.next_path)
    assert sorted(moved.source) == sorted(source)
    assert move_block(moved.source, block.next_path, block.path).source == source


def test_what_the_editor_does_not_know_is_a_custom_block() -> None:
    blocks = list_blocks(SOURCE)
    assert [block.tag for block in blocks] == [
        *("mj-section", "mj-column", "mj-text", "mj-image", "", "mj-column"),
        *("mj-products", "mj-footer"),
    ]
    assert edit_block(SOURCE, "0.0.2", {"content": "<mj-divider />"}).source == SOURCE.replace(
        '<mj-social><mj-social-element name="x" href="https://x.example"/></mj-social>', "<mj-divider />"
    )


def test_placements_are_chosen_by_their_names() -> None:
    assert ("bought-together", "Bought together") in [(name, str(label)) for name, label in PLACEMENT_CHOICES]
    assert all(name != label for name, label in PLACEMENT_CHOICES)


def test_fields_are_written_into_the_quotes_that_are_there() -> None:
    assert edit_block(SOURCE, "0.0.0", {"font-size": "20px"}).source == SOURCE.replace("'12px'", "'20px'")
    assert edit_block(SOURCE, "0.0.0", {"align": "center"}).source == SOURCE.replace(
        "'12px'", "'12px' align=\"center\""
    )
    assert edit_block(SOURCE, "0.0.0", {"font-size": ""}).source == SOURCE.replace("  font-size='12px'", "")
    assert "1 &lt; 2<br />x" in edit_block(SOURCE, "0.0.0", {"content": "1 < 2\r\nx"}).source


def test_blocks_are_added_moved_between_columns_and_copied() -> None:
    added = add_block(SOURCE, "0.1.0", "mj-button").source
    assert [block.tag for block in list_blocks(added)][5:7] == ["mj-column", "mj-button"]
    moved = move_block(SOURCE, "0.0.0", "0.1.0").source
    assert [block.tag for block in list_blocks(moved)] == [
        *("mj-section", "mj-column", "mj-image", "", "mj-column", "mj-text"),
        *("mj-products", "mj-footer"),
    ]
    assert len(list_blocks(duplicate_block(SOURCE, "1").source)) == len(list_blocks(SOURCE)) + 1


@pytest.mark.parametrize("path", ["9", "0.0.9", "x", "0..1", "-1", "99999999"])
def test_places_that_do_not_exist_are_errors(path: str) -> None:
    with pytest.raises(EditError):
        remove_block(SOURCE, path)


def test_a_block_is_only_put_where_it_may_be() -> None:
    with pytest.raises(EditError, match="mj-text"):
        move_block(SOURCE, "0.0.0", "1")
    with pytest.raises(EditError):
        move_block(SOURCE, "0", "0.0")


@given(sources())
def test_the_source_field_returns_what_was_written(source: str) -> None:
    posted = source.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    assert restore_line_endings(posted, source) == source
