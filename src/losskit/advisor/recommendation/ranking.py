"""From findings to a ranked list: the points of a loss are the sum over all checks."""

from losskit.advisor.recommendation.answer import Reason, Suggestion
from losskit.advisor.recommendation.check import Check, Finding
from losskit.advisor.recommendation.profiles import Profile
from losskit.advisor.recommendation.recipes import make


def ranked(profile: Profile, findings: list[tuple[Check, Finding]]) -> list[Suggestion]:
    """The losses that anything speaks for or against, best first; of equals the one named first."""
    reasons: dict[str, list[Reason]] = {}
    for check, finding in findings:
        for name, points in finding.points:
            reasons.setdefault(name, []).append(
                Reason(check.code, finding.each.get(name, finding.sentence), points)
            )
    totals = {name: sum(reason.points for reason in found) for name, found in reasons.items()}
    order = sorted(totals, key=lambda name: -totals[name])
    return [Suggestion(make(name, profile), totals[name], tuple(reasons[name])) for name in order]
