"""Who may see and change the loyalty program."""

VIEW = "loyalty.view_loyaltymember"
VIEW_LEDGER = "loyalty.view_pointentry"
VIEW_RULES = "loyalty.view_loyaltyprogram"
CHANGE_RULES = "loyalty.change_loyaltyprogram"
ADJUST = "loyalty.add_pointentry"
VIEW_CUSTOMERS = "lifecycle.view_customerprofile"
VIEW_COUPONS = "messaging.view_couponpool"
