"""The category tree, addressed by paths such as ``Kitchen > Kettles``."""

from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat, Substr
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from catalog.field_cleaning import InvalidValueError, clean_text
from catalog.models import Category, Product

SEPARATOR = " > "
MAX_NAME_LENGTH = 200
MAX_PATH_LENGTH = 1000


def clean_path(value: Any) -> str:
    """Return a normalized path: ``a>b > c`` becomes ``a > b > c``.

    A list of names is accepted, too.
    """
    text = ">".join(clean_text(part, MAX_NAME_LENGTH) for part in value) if isinstance(value, list | tuple) else value
    names = [
        name for part in clean_text(text, MAX_PATH_LENGTH).split(">") if (name := clean_text(part, MAX_NAME_LENGTH))
    ]
    path = SEPARATOR.join(names)
    if len(path) > MAX_PATH_LENGTH:
        raise InvalidValueError(
            "too_long",
            _("The value has %(length)d characters; the maximum is %(most)d.")
            % {"length": len(path), "most": MAX_PATH_LENGTH},
        )
    return path


def ensure_categories(paths: Collection[str]) -> dict[str, int]:
    """Return the ids of the categories with these clean paths.

    Create missing ones with their parents.
    """
    known = find_categories(paths)
    if all(path in known for path in paths):
        return known
    with transaction.atomic(), connection.cursor() as cursor:
        # one import at a time, so that two do not create the same branch or choose the same slug
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.categories'))")
        all_paths = {prefix for path in paths for prefix in list_ancestor_paths(path)}
        # read again under the lock: another import may have created some of them in the meantime
        known = find_categories(all_paths)
        by_depth: dict[int, list[str]] = {}
        for path in all_paths - known.keys():
            by_depth.setdefault(path.count(SEPARATOR), []).append(path)
        # one level at a time, from the root: a child needs the id of its parent
        for depth in sorted(by_depth):
            known.update(create_categories(sorted(by_depth[depth]), known))
    return known


def find_categories(paths: Iterable[str]) -> dict[str, int]:
    return dict(Category.objects.filter(path__in=list(paths)).values_list("path", "id"))


def list_ancestor_paths(path: str) -> list[str]:
    names = path.split(SEPARATOR)
    return [SEPARATOR.join(names[: length + 1]) for length in range(len(names))]


def create_categories(paths: list[str], known: dict[str, int]) -> dict[str, int]:
    """Create categories below existing parents, in two statements for any number of categories."""
    parents = {path: known[path.rpartition(SEPARATOR)[0]] if SEPARATOR in path else None for path in paths}
    siblings = Category.objects.filter(parent__in=[parent for parent in parents.values() if parent is not None])
    if None in parents.values():
        siblings = siblings | Category.objects.filter(parent=None)
    slugs_by_parent: dict[int | None, set[str]] = {parent: set() for parent in parents.values()}
    for owner, slug in siblings.values_list("parent_id", "slug"):
        slugs_by_parent[owner].add(slug)
    categories = []
    for path, parent in parents.items():
        name = path.rpartition(SEPARATOR)[2]
        slug = choose_slug(name, slugs_by_parent[parent])
        slugs_by_parent[parent].add(slug)
        categories.append(Category(name=name, slug=slug, parent_id=parent, path=path))
    return {category.path: category.pk for category in Category.objects.bulk_create(categories)}


def choose_slug(name: str, sibling_slugs: Collection[str]) -> str:
    """Return a slug that no sibling has.

    A hash is appended where names collide, such as “A & B” and “A B”.
    """
    fingerprint = blake2b(name.encode(), digest_size=4).hexdigest()
    slug = slugify(name, allow_unicode=True)[:180]
    if slug and slug not in sibling_slugs:
        return slug
    return f"{slug}-{fingerprint}".strip("-")


def annotate_product_counts(categories: QuerySet[Category]) -> QuerySet[Category]:
    """Annotate ``product_count``, the number of active products.

    A subquery counts only the rows of the page.
    """
    counts = (
        Product.objects.active()
        .filter(category=OuterRef("pk"))
        .order_by()
        .values("category")
        .annotate(count=Count("*"))
        .values("count")
    )
    return categories.annotate(product_count=Coalesce(Subquery(counts, output_field=IntegerField()), 0))


def build_category_path(*, name: str, parent: Category | None) -> str:
    return f"{parent.path}{SEPARATOR}{name}" if parent else name


def save_category(*, category: Category) -> None:
    """Save a category under its name and parent; update the paths of everything below it."""
    with transaction.atomic():
        # weaker than the lock of a changed path, so that an import that refers to the category can finish meanwhile
        locked = Category.objects.select_for_update(no_key=True).filter(pk=category.pk)
        old_path = locked.values_list("path", flat=True).first()
        category.path = build_category_path(name=category.name, parent=category.parent)
        if not old_path or old_path == category.path:
            category.save()
            return
        below = Category.objects.filter(path__startswith=old_path + SEPARATOR)
        mark_products_changed(Category.objects.filter(pk=category.pk) | below)
        category.save()
        # one statement for the whole subtree, so that no reader sees a child below a path that no longer exists
        below.update(path=Concat(Value(category.path), Substr("path", len(old_path) + 1)))


def delete_categories(categories: QuerySet[Category]) -> None:
    """Delete categories; their products have no category afterwards."""
    with transaction.atomic():
        mark_products_changed(categories)
        categories.delete()


def mark_products_changed(categories: QuerySet[Category]) -> None:
    """Mark the products of categories as changed, before the categories change: serving, search and feeds find changes by this time.

    Locks products in the order of `write_products`, and before the categories, as imports do; otherwise both could wait for each other.
    """
    products = Product.objects.filter(category__in=categories.values("pk"))
    locked = products.select_for_update(no_key=True).order_by("product_id").values("pk")
    Product.objects.filter(pk__in=locked).update(updated_at=timezone.now())


def format_path(path: str) -> str:
    """Return a category path as pages show it: Grocery › Coffee."""
    return path.replace(SEPARATOR, " › ")
