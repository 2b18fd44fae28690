"""One object of each type, for tests that call every operation of the REST API."""

from datetime import timedelta

from customers.analytics.expressions.matching import EventMatch
from customers.analytics.expressions.parameters import dump_parameters, hash_parameters
from customers.analytics.models import AnalyticsResult, Dashboard, ResultStatus, SavedReport
from customers.analytics.questions.funnel import FunnelParameters
from customers.analytics.rest.serializers import make_query_id
from customers.feedback.models import Review
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.loyalty.models import LoyaltyMember, LoyaltyProgram, PointReservation
from customers.loyalty.points.ledger import adjust_points
from customers.policy.document.versions import publish_policy
from customers.privacy.models import PrivacyRequest
from recommendations.campaigns.models import Campaign
from recommendations.experiments.models import Experiment
from recommendations.flows.publishing import create_flow
from recommendations.merchandising.choices import RuleAction
from recommendations.merchandising.models import Rule
from recommendations.offers.models import Offer, OfferExposure
from tests.makers import NOON, make_consent, make_customer, make_order, make_product, make_profile, make_segment
from tests.recommendations.experiments.makers import make_experiment

FUNNEL = FunnelParameters(
    since=NOON.date(), until=NOON.date(), steps=(EventMatch(meaning="view"), EventMatch(meaning="cart"))
)
SAMPLE_IDS = {
    "product_id": "kettle",
    "user_id": "ada",
    "key": "everyone",
    "order_id": "order-1",
    "review_id": "review-1",
    "scenario": "popular",
    "version": "none",
    "anonymous_id": "device-1",
    "exposure_id": "00000000-0000-4000-8000-000000000001",
    "reference": "00000000-0000-4000-8000-000000000002",
    "id": "1",
    "reservation_id": "1",
    "recipe": "welcome",
    "query_id": make_query_id("funnel", FUNNEL),
}


def make_sample_objects() -> None:
    """Make an object of each type with SAMPLE_IDS."""
    product = make_product(SAMPLE_IDS["product_id"])
    customer = make_customer(SAMPLE_IDS["user_id"])
    make_profile(customer)
    make_consent(customer)
    make_order(customer, products=[product], order_id=SAMPLE_IDS["order_id"])
    Review.objects.create(review_id=SAMPLE_IDS["review_id"], product=product, rating=5, written_at=NOON)
    publish_policy(by="olga", at=NOON, note="", is_material=False, asks_again=False)
    segment = make_segment(SAMPLE_IDS["key"])
    Campaign.objects.create(key=SAMPLE_IDS["key"], name="Spring", segment=segment)
    create_flow(key=SAMPLE_IDS["key"], name="Basket")
    offer = Offer.objects.create(key=SAMPLE_IDS["key"], name="Spring offer", segment=segment)
    OfferExposure.objects.create(
        exposure_id=SAMPLE_IDS["exposure_id"],
        offer=offer,
        arm=OfferExposure.Arm.SHOWN,
        customer=customer,
        decided_at=NOON,
    )
    LoyaltyProgram.objects.create(pk=1, is_enabled=True, started_at=NOON, sign_in_points=5)
    adjust_points(customer_id=customer.pk, points=100, note="Welcome", by="olga", key="1", now=NOON)
    PointReservation.objects.create(
        id=SAMPLE_IDS["reservation_id"],
        customer=customer,
        points=5,
        created_at=NOON,
        expires_at=NOON + timedelta(days=3650),
    )
    LoyaltyMember.objects.update(reserved=5)
    make_experiment(SAMPLE_IDS["key"], status=Experiment.Status.DRAFT)
    Rule.objects.create(id=SAMPLE_IDS["id"], name="Boost", action=RuleAction.BOOST, factor=2, brand="Acme")
    PrivacyRequest.objects.create(
        reference=SAMPLE_IDS["reference"],
        kind=PrivacyRequest.Kind.ACCESS,
        channel=PrivacyRequest.Channel.OFFICER,
        regulation="gdpr",
        customer=customer,
        received_at=NOON,
        due_at=NOON,
    )
    report = SavedReport.objects.create(
        id=SAMPLE_IDS["id"], name="Views", question="funnel", parameters={"range": "28d", "steps": []}
    )
    Dashboard.objects.create(id=SAMPLE_IDS["id"], name="Shop").reports.add(report)
    AnalyticsResult.objects.create(
        question="funnel",
        parameters=dump_parameters(FUNNEL),
        parameters_hash=hash_parameters(FUNNEL),
        data_version=f"1 {get_amount_currency()}",  # results in another currency are not shown
        status=ResultStatus.FAILED,
        started_at=NOON,
        error="The disk is full.",
    )
