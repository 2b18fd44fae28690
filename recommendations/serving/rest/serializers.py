"""The shape of a recommendation request and of its answer."""

from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypes
from recommendations.serving.rank import MOST_RANKED
from recommendations.serving.request import MOST_PER_REQUEST


class CommaListField(serializers.CharField):
    """Values joined by commas, or the parameter given several times; absent or empty: no value."""

    def get_value(self, dictionary):  # type: ignore[no-untyped-def]
        if hasattr(dictionary, "getlist"):
            return ",".join(dictionary.getlist(self.field_name)) or serializers.empty
        return super().get_value(dictionary)

    def get_default(self):  # type: ignore[no-untyped-def]
        return []

    def run_validation(self, data=serializers.empty):  # type: ignore[no-untyped-def]
        """The text is judged as a whole before it is taken apart."""
        found = super().run_validation(data)
        return [part.strip() for part in found.split(",") if part.strip()] if isinstance(found, str) else found


class RecommendationQuerySerializer(serializers.Serializer):
    user_id = serializers.CharField(
        required=False, default="", max_length=255, help_text="The shop's id of the customer."
    )
    anonymous_id = serializers.CharField(
        required=False, default="", max_length=255, help_text="The visitor's id in the browser."
    )
    session_id = serializers.CharField(required=False, default="", max_length=255, help_text="The visit.")
    product_id = serializers.CharField(required=False, default="", max_length=200, help_text="Needed by similar.")
    product_ids = CommaListField(
        required=False,
        default="",
        max_length=50_000,
        help_text="Several products, joined by commas: what cart and bought-together start from. The first 200 count.",
    )
    n = serializers.IntegerField(required=False, default=10, min_value=1, max_value=MOST_PER_REQUEST)
    cursor = serializers.CharField(
        required=False, default="", max_length=100, help_text="next_cursor of the answer before."
    )
    category = serializers.CharField(
        required=False, default="", max_length=1000, help_text="A category path; includes what lies below."
    )
    landing_category = serializers.CharField(
        required=False,
        default="",
        max_length=1000,
        help_text="for-you, of somebody without a history: the path of the category they arrive at. It leaves nothing out.",
    )
    language = serializers.CharField(
        required=False,
        default="",
        max_length=35,
        help_text="for-you, of somebody without a history: such as en or en-GB.",
    )
    country = serializers.CharField(
        required=False,
        default="",
        max_length=100,
        help_text="for-you, of somebody without a history: as events tell it.",
    )
    device = serializers.CharField(
        required=False, default="", max_length=100, help_text="for-you, of somebody without a history: such as mobile."
    )
    brand = serializers.CharField(required=False, default="", max_length=200)
    price_min = serializers.DecimalField(required=False, default=None, max_digits=14, decimal_places=2, min_value=0)
    price_max = serializers.DecimalField(required=False, default=None, max_digits=14, decimal_places=2, min_value=0)
    in_stock = serializers.BooleanField(required=False, default=True)
    exclude = CommaListField(
        required=False, default="", max_length=20000, help_text="Products not to show, joined by commas."
    )
    diversity = serializers.FloatField(
        required=False,
        default=None,
        min_value=0,
        max_value=1,
        help_text="0: the best first; 1: as different as can be. Left out: as the place is set in the back office.",
    )
    explain = serializers.BooleanField(required=False, default=True, help_text="False: without reasons.")
    strict = serializers.BooleanField(required=False, default=False, help_text="True: rather nothing than a fallback.")


class ReasonSerializer(serializers.Serializer):
    code = serializers.CharField()
    text = serializers.CharField(help_text="In the language of Accept-Language.")
    product_ids = serializers.ListField(child=serializers.CharField())


class ShownProductSerializer(serializers.Serializer):
    title = serializers.CharField()
    price = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    currency = serializers.CharField()
    image_url = serializers.CharField()
    url = serializers.CharField()
    brand = serializers.CharField()
    category = serializers.CharField()


class RecommendedItemSerializer(serializers.Serializer):
    product_id = serializers.CharField()
    rank = serializers.IntegerField()
    score = serializers.FloatField()
    reason = ReasonSerializer(allow_null=True)
    product = ShownProductSerializer(source="card")


class RecommendedCategorySerializer(serializers.Serializer):
    category = serializers.CharField(help_text="Its path, of two steps at most.")
    rank = serializers.IntegerField()
    score = serializers.FloatField()
    reason = ReasonSerializer(allow_null=True)
    product_ids = serializers.ListField(child=serializers.CharField(), help_text="Its best products, three at most.")


class RecommendationSerializer(serializers.Serializer):
    recommendation_id = serializers.CharField(help_text="Send it along with events that follow from these items.")
    scenario = serializers.CharField()
    strategy = serializers.CharField(
        help_text="What chose them: a model's algorithm, cold-start for somebody without a history, or a place of the shop."
    )
    fallback = serializers.CharField(
        allow_null=True, help_text="The place that took over; catalogue where none had anything to show."
    )
    fallback_reason = serializers.CharField(
        allow_null=True,
        help_text="nothing_known, off (switched off or judged no better), no_model, late, or filters (no product fits them).",
    )
    model_version = serializers.CharField(help_text="Empty while no model serves.")
    stale = serializers.BooleanField(help_text="The database is away: this is from memory.")
    took_ms = serializers.FloatField()
    items = RecommendedItemSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class PlaceSerializer(RecommendationSerializer):
    categories = RecommendedCategorySerializer(many=True, required=False, help_text="Of the scenario categories alone.")


class RankRequestSerializer(StrictTypes, serializers.Serializer):
    product_ids = serializers.ListField(
        child=serializers.CharField(max_length=200),
        min_length=1,
        max_length=MOST_RANKED,
        help_text="In your own order.",
    )
    user_id = serializers.CharField(required=False, default="", max_length=255, allow_blank=True)
    anonymous_id = serializers.CharField(required=False, default="", max_length=255, allow_blank=True)
    in_stock = serializers.BooleanField(required=False, default=True)
    explain = serializers.BooleanField(required=False, default=True)


class LeftOutSerializer(serializers.Serializer):
    product_id = serializers.CharField()
    why = serializers.CharField(help_text="dismissed, out_of_stock or not_shown.")


class RankedItemSerializer(RecommendedItemSerializer):
    product = ShownProductSerializer(source="card", allow_null=True, help_text="Null for a product that is not known.")


class RankingSerializer(RecommendationSerializer):
    items = RankedItemSerializer(many=True)
    left_out = LeftOutSerializer(many=True)
