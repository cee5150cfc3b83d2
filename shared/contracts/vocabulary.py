"""Closed vocabularies that several contracts and routes share."""

from __future__ import annotations

from shared.contracts.categories import Category

GUARDS = ("influencer", "client", "compliance", "staff")
OPEN_GUARDS = ("influencer", "client")
"""What anybody may be."""
STAFF_GUARDS = ("compliance", "staff")
"""What somebody of the house makes somebody."""

PURPOSES = ("product_news", "usage_analytics", "partner_introductions")
"""What a person can consent to. Everything else the product does rests on another legal basis."""

STRICTLY_NECESSARY = "strictly_necessary"
COOKIE_PURPOSES = {"preferences": "cookies_preferences", "analytics": "cookies_analytics"}
"""The categories of cookies that people choose about, and what each is called among the purposes of consents."""
COOKIE_CATEGORIES = (STRICTLY_NECESSARY, *COOKIE_PURPOSES)
COOKIE_WORDINGS = ("2026-11-24",)
"""Versions of the words in which people are asked about cookies, oldest first; the last one is shown."""
SHARING = "sharing"
"""Passing personal data on for somebody else's ends."""
SIGNAL_PURPOSES = (COOKIE_PURPOSES["analytics"], SHARING)
"""What a browser objects to that sends `Sec-GPC: 1` (Global Privacy Control)."""
BROWSER_SIGNALS = ("gpc",)
RECORDED_PURPOSES = (*PURPOSES, *COOKIE_PURPOSES.values(), SHARING)
"""What the consent history is about."""
EVERY_PURPOSE = "every_purpose"
"""What a restriction is about: all that is done with a person's data."""

LEGAL_BASES = ("contract", "legitimate_interests", "legal_obligation", "vital_interests", "consent")
"""What processing personal data can rest on (section 5 of the privacy policy, Art. 6(1) GDPR)."""

PRIVACY_POLICY = "privacy_policy"
POLICIES = (PRIVACY_POLICY, "terms")
"""The documents of the house that have versions, and take effect on a day that is announced."""
FIRST_POLICY_VERSION = "2026-11-01"
"""The privacy policy with which the product began, in force from the day it is named after; audit publishes others."""
POLICY_STATES = ("coming", "in_force", "replaced", "withdrawn")
REGISTRATION, EXPLICIT, CONTINUED_USE = "registration", "explicit", "continued_use"
ACKNOWLEDGEMENTS = (REGISTRATION, EXPLICIT, CONTINUED_USE)
"""How a person acknowledges a policy."""

SESSION_ENDINGS = (
    "signed_out",
    "erased",
    "revoked",
    "idle",
    "replaced",
    "password_changed",
    "second_factor_disabled",
    "deactivated",
    "address_verified",
    "guards_changed",
)

LOCALES = ("en", "fr", "de", "es", "it", "pt")
"""Languages a person may prefer (BCP 47); what is not written in theirs is sent in English."""

PASSWORD_WEAKNESSES = (
    "too_short",
    "breached_password",
    "common_password",
    "common_word",
    "common_name",
    "about_yourself",
    "keyboard_pattern",
    "repetition",
    "sequence",
    "date",
)
"""What makes a password easy to guess."""

NOTICE_KINDS = ("service", "product", "policy_update", "legal")
"""What people are written to about. What each kind rests on, and who may refuse it, says identity."""
ANNOUNCED_KINDS = ("product", "policy_update", "legal")
"""What everybody concerned can be told at once."""
OBJECTIONABLE_KINDS = ("product",)
"""What a person can object to, beyond not wanting it: direct marketing (Art. 21(2) GDPR)."""
NOTICE_CHANNELS = ("email",)
NOTICE_FAILURES = ("refused", "given_up")
LETTERS = (
    "account_deactivated",
    "announcement",
    "confirm_email_change",
    "email_changed",
    "guard_added",
    "guard_revoked",
    "inquiry_answered",
    "inquiry_link",
    "inquiry_received",
    "invitation",
    "new_device",
    "owner_succeeded",
    "password_changed",
    "policy_published",
    "recovery_code_used",
    "recovery_codes_renewed",
    "registration_repeated",
    "reset_password",
    "second_factor_disabled",
    "second_factor_enabled",
    "signin_code_replayed",
    "token_expiring",
    "verify_email",
)
"""What notices say, by the name under which the words are kept."""

POLICY_LETTER = "policy_published"
"""The letter by which people are told of a version of a policy."""

PASSWORD_CHANGES = ("changed", "reset")
DEACTIVATIONS = ("by_person", "by_staff")
SECOND_FACTOR_ENDINGS = ("by_person", "by_staff", "address_proven")
"""`address_proven`: whoever enabled it never showed that the address of the account was theirs, and its owner did."""
BY_LINK, BY_RESET, BY_INVITATION = "by_link", "by_reset", "by_invitation"
VERIFICATIONS = (BY_LINK, BY_RESET, BY_INVITATION)
"""How a person showed that the address of their account is theirs."""

TOKEN_SCOPES = ("profile:read", "profile:write", "consents:read", "consents:write", "audit:read")
"""What an API token can be limited to."""
TOKEN_ENDINGS = (
    "revoked",
    "deactivated",
    "erased",
    "address_verified",
    "password_changed",
    "second_factor_disabled",
    "guards_changed",
)

SIGN_IN_FAILURES = ("unknown_address", "wrong_password", "wrong_second_factor", "deactivated", "guard_not_held")
THROTTLE_SCOPES = ("account", "network")
ACCESS_REFUSALS = ("cross_guard", "cross_workspace", "scope_missing", "csrf")
SIGNAL_KINDS = (
    "signin_failed",
    "signin_throttled",
    "signin_code_replayed",
    "access_refused",
    "token_misused",
    "new_device",
    "inquiry_spam_suspected",
    "guard_requested",
    "guard_refused",
    "guard_added",
    "guard_revoked",
)
TOKEN_MISUSES = ("after_its_end",)

LOG_QUESTIONS = (
    "records",
    "record",
    "proof",
    "facets",
    "entries",
    "consents",
    "receipt",
    "without_basis",
    "recipients",
    "disclosures",
    "disclosure_summary",
    "policies",
    "policies_in_force",
    "processing_register",
    "export",
)
"""What compliance asks of the audit log."""
CORRECTION_REASONS = ("wrong_subject", "wrong_time", "wrong_content", "entered_twice", "never_happened")
"""What can be wrong with a record."""
EXPORT_FORMS = ("ndjson", "csv", "evidence")
"""What records of the log are exported as; `evidence` is a bundle with their proofs."""
EXPORT_FAILURES = ("too_many_records",)

INQUIRY_KINDS = ("support", "sales", "legal", "privacy")
COMPLIANCE_INQUIRY_KINDS = ("legal", "privacy")
"""What compliance officers deal with as well; staff deal with every kind."""
INQUIRY_STATES = ("open", "pending", "closed")
"""`open` waits for the house, `pending` was answered and waits for the person."""
INQUIRY_ACTIONS = ("reply",)
STAFF_INQUIRY_ACTIONS = ("answer", "note", "assign", "reclassify", "close", "reopen", "report_child")
"""What can be done about an inquiry, by its person and by staff; answers carry those that are possible now."""
LONGEST_INQUIRY_TEXT = 5000
INQUIRY_REOPENINGS = ("by_person", "by_staff")
CHILD_REPORT = "child_report"
PRIVACY_REQUEST_TYPES = (
    "access",
    "correction",
    "deletion",
    "restriction",
    "portability",
    "objection",
    "disclosures",
    CHILD_REPORT,
)
"""What can be asked for under sections 11 and 13 of the privacy policy."""
SPAM_SIGNS = ("honeypot_filled", "filled_too_fast", "form_forged")

MEMBERSHIP_ENDINGS = ("left", "removed", "erased", "address_proven")
SUCCESSIONS = ("left", "deactivated", "reactivated")
"""Why a member became owner: no owner was left who could act, or the first member who could came back."""
ORGANISATION_ENDINGS = ("by_owner", "without_owner")
PARTINGS = ("by_workspace", "by_client", "client_closed")
"""How a workspace and a client organisation stop dealing with each other."""
INVITATION_PURPOSES = ("join", "become_client")
INVITATION_ENDINGS = ("revoked", "replaced", "inviter_gone", "organisation_closed")

TEAM = "team"
"""What the program of an internal team acts as. It is no guard, for no person holds it."""

CLIENT_USER = "client_user"
"""The users of a client organisation, who see what a workspace shares with it; events name it, nobody enters it."""
ENTERED_RECIPIENT_KINDS = ("infrastructure_vendor", "integration_provider", "advisor", "authority", "successor")
RECIPIENT_KINDS = (*ENTERED_RECIPIENT_KINDS, CLIENT_USER)
"""To whom personal data is disclosed (section 7 of the privacy policy). A buyer is none of them: nothing is sold."""
RECIPIENT_ROLES = ("controller", "processor", "joint_controller")
TRANSFER_MECHANISMS = ("none_needed", "adequacy", "scc", "bcr", "derogation")
"""What a transfer to another country rests on (Art. 44 to 49 GDPR); within the EEA none is needed."""
CARRIED_FLOWS = ("mail",)
"""What the platform hands to a vendor by itself, with each event of a kind."""
DISCLOSURE_PURPOSES = (
    "service_operation",
    "service_communications",
    "support",
    "integration",
    "professional_advice",
    "insurance",
    "audit",
    "legal_demand",
    "legal_claims",
    "misuse_investigation",
    "corporate_transaction",
    "client_collaboration",
)
"""What personal data is disclosed for; selling it, or somebody else's advertising, is none of it."""
DATA_CATEGORIES = tuple(category.value for category in Category)
MOST_SUBJECTS_OF_DISCLOSURE = 50
