"""The shape of a recommendation request and of its answer."""

from rest_framework import serializers

from recommendations.serving.recommend import MOST_PER_REQUEST


class CommaListField(serializers.CharField):
    """Values joined by commas, or the parameter given several times; absent: no value."""

    def get_value(self, dictionary):  # type: ignore[no-untyped-def]
        if hasattr(dictionary, "getlist"):
            return ",".join(dictionary.getlist(self.field_name)) if self.field_name in dictionary else serializers.empty
        return super().get_value(dictionary)

    def get_default(self):  # type: ignore[no-untyped-def]
        return []

    def to_internal_value(self, data):  # type: ignore[no-untyped-def]
        return [part.strip() for part in super().to_internal_value(data).split(",") if part.strip()]


class RecommendationQuerySerializer(serializers.Serializer):
    user_id = serializers.CharField(
        required=False, default="", max_length=255, help_text="The shop's id of the customer."
    )
    anonymous_id = serializers.CharField(
        required=False, default="", max_length=255, help_text="The visitor's id in the browser."
    )
    product_id = serializers.CharField(required=False, default="", max_length=200, help_text="Needed by similar.")
    product_ids = CommaListField(
        required=False, default="", max_length=5000, help_text="Several products, joined by commas."
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
    explain = serializers.BooleanField(required=False, default=True)
    strict = serializers.BooleanField(required=False, default=False, help_text="True: rather nothing than a fallback.")

    def validate(self, attrs: dict) -> dict:
        low, high = attrs["price_min"], attrs["price_max"]
        if low is not None and high is not None and low > high:
            raise serializers.ValidationError({"price_min": f"price_min {low} is above price_max {high}."})
        return attrs


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


class RecommendationSerializer(serializers.Serializer):
    recommendation_id = serializers.CharField(help_text="Send it along with events that follow from these items.")
    scenario = serializers.CharField()
    strategy = serializers.CharField(
        help_text="What chose them: a model's algorithm, cold-start for somebody without a history, similar or popular."
    )
    fallback = serializers.CharField(allow_null=True)
    model_version = serializers.CharField()
    took_ms = serializers.FloatField()
    items = RecommendedItemSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)
