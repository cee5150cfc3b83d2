"""What a transfer of personal data to a country can rest on (Art. 44 to 49 GDPR), from a controller within the EEA."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

EEA = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()  # noqa: SIM905
)
ADEQUACY_DECISIONS: Mapping[str, date] = {
    "AD": date(2010, 10, 19),  # 2010/625/EU
    "AR": date(2003, 6, 30),  # 2003/490/EC
    "BR": date(2026, 1, 26),  # (EU) 2026/179
    "CA": date(2001, 12, 20),  # 2002/2/EC: commercial organisations
    "CH": date(2000, 7, 26),  # 2000/518/EC
    "FO": date(2010, 3, 5),  # 2010/146/EU
    "GB": date(2021, 6, 28),  # (EU) 2021/1772, renewed in December 2025
    "GG": date(2003, 11, 21),  # 2003/821/EC
    "IL": date(2011, 1, 31),  # 2011/61/EU
    "IM": date(2004, 4, 28),  # 2004/411/EC
    "JE": date(2008, 5, 8),  # 2008/393/EC
    "JP": date(2019, 1, 23),  # (EU) 2019/419
    "KR": date(2021, 12, 17),  # (EU) 2022/254
    "NZ": date(2012, 12, 19),  # 2013/65/EU
    "US": date(2023, 7, 10),  # (EU) 2023/1795: organisations certified under the Data Privacy Framework
    "UY": date(2012, 8, 21),  # 2012/484/EU
}
"""The day of the Commission's decision on each country (Art. 45 GDPR), as its list stood in the spring of 2026.

The source is commission.europa.eu, "Data protection adequacy for non-EU countries". Whether an organisation is one of
those that a decision is limited to is for the officer to say; its document is named with it.
"""
SAFEGUARDS = frozenset({"scc", "bcr", "derogation"})
"""What a transfer can rest on wherever it goes outside the EEA."""


def admitted_mechanisms(country: str, moment: datetime) -> frozenset[str]:
    """What a transfer to a country could rest on at that moment."""
    if country in EEA:
        return frozenset({"none_needed"})
    decided_on = ADEQUACY_DECISIONS.get(country)
    if decided_on is not None and decided_on <= moment.astimezone(UTC).date():
        return SAFEGUARDS | {"adequacy"}
    return SAFEGUARDS
