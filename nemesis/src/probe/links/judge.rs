//! What was seen on links, judged: pure, from the rules, the looks, and what was seen before.

use std::collections::BTreeMap;
use std::time::Duration;

use schism_history::Evidence;
use schism_lab::{LinkRule, LinkRules};

use super::{Link, Sight, Sights};
use crate::probe::evidence;

/// What a clock and a busy machine may be off by on a single link.
const SLACK: Duration = Duration::from_millis(1);

/// How much longer than before the links with this delay take on average, at the least, as long as
/// they have it, and at the most, once they have not. Half way without a jitter; with one, nearer to
/// nothing, since a delay may then come out short.
pub(crate) fn margin(rule: &LinkRule) -> Duration {
    (rule.delay.saturating_sub(rule.jitter / 2)) / 2
}

/// The links of a fault, by what can be seen of them while other faults are about them, too.
pub(super) struct Observable<'a> {
    /// These carry nothing.
    cut: Vec<&'a Link>,
    /// These are slow, by the rules of all faults together.
    slow: Vec<(&'a Link, LinkRule)>,
    /// These would be slow, but another fault cuts them: what never comes is not late.
    hidden: usize,
}

impl<'a> Observable<'a> {
    pub(super) fn of(rules: &'a LinkRules, all: &LinkRules) -> Self {
        let mut observable = Self { cut: Vec::new(), slow: Vec::new(), hidden: 0 };
        for (link, own) in &rules.0 {
            let together = all.0.get(link).copied().unwrap_or(*own);
            if own.drop || own.hold {
                observable.cut.push(link);
            } else if together.drop || together.hold {
                observable.hidden += 1;
            } else {
                observable.slow.push((link, together));
            }
        }
        observable
    }

    /// Why nothing can be seen, if that is so.
    pub(super) fn nothing(&self) -> Option<String> {
        let nothing = self.cut.is_empty() && self.slow.is_empty();
        nothing.then(|| {
            format!(
                "another fault cuts all {} links that it slows, so that nothing of it can be seen",
                self.hidden
            )
        })
    }

    pub(super) fn links(&self) -> Vec<Link> {
        self.cut.iter().copied().chain(self.slow.iter().map(|(link, _)| *link)).copied().collect()
    }
}

/// Whether all of `observable` was seen, while the links of `controls` worked.
pub(super) fn bites(
    observable: &Observable<'_>,
    before: &BTreeMap<Link, Duration>,
    controls: &[Link],
    sights: &Sights,
) -> Evidence {
    let Observable { cut, slow, hidden } = observable;
    let came = |link: &Link| sights.get(link).is_some_and(|sight| !sight.times.is_empty());
    let open = controls.iter().filter(|link| came(link)).count();
    let silent = cut.iter().filter(|link| !came(link)).count();
    let mut parts = Vec::new();
    if !cut.is_empty() {
        parts.push(format!("{silent} of {} cut links carried nothing", cut.len()));
    }
    let mut slowed = true;
    if !slow.is_empty() {
        let late = |(link, rule): &&(&Link, LinkRule)| {
            let least = sights.get(link).and_then(|sight| sight.times.iter().min());
            least.is_some_and(|time| *time + SLACK >= rule.delay.saturating_sub(rule.jitter))
        };
        let count = slow.iter().filter(late).count();
        let links: Vec<Link> = slow.iter().map(|(link, _)| **link).collect();
        let margin = mean(slow.iter().map(|(_, rule)| margin(rule)));
        let (now, usual) = (times(&links, sights), usual(&links, before, controls, sights));
        slowed = count == slow.len() && now.is_some_and(|now| now >= usual + margin);
        parts.push(format!(
            "{count} of {} slowed links were late, {} ms on average, {} ms without the delay",
            slow.len(),
            milliseconds(now),
            milliseconds(Some(usual)),
        ));
    }
    if *hidden > 0 {
        parts.push(format!("{hidden} more are cut by another fault"));
    }
    if !controls.is_empty() {
        parts.push(format!("{open} of {} other links worked", controls.len()));
    }
    let all = silent == cut.len() && slowed && open == controls.len();
    evidence(all, parts.join("; "))
}

/// Whether the links that were slow are as fast as others again. `slowed` are their margins; what
/// did not come counts as having taken `patience`.
pub(super) fn fast(
    slowed: &BTreeMap<Link, Duration>,
    before: &BTreeMap<Link, Duration>,
    controls: &[Link],
    sights: &Sights,
    patience: Duration,
) -> Result<(), String> {
    if slowed.is_empty() {
        return Ok(());
    }
    let links: Vec<Link> = slowed.keys().copied().collect();
    let all = |link: &Link| sights.get(link).map_or(patience, |sight| sight.mean_with(patience));
    let now = mean(links.iter().map(all));
    let usual = usual(&links, before, controls, sights);
    if now < usual + mean(slowed.values().copied()) {
        return Ok(());
    }
    let (now, usual) = (milliseconds(Some(now)), milliseconds(Some(usual)));
    Err(format!("{} links still take {now} ms on average, others {usual} ms", links.len()))
}

/// What links take that nobody slows down: as before, or as others do now, whichever is longer.
fn usual(
    links: &[Link],
    before: &BTreeMap<Link, Duration>,
    controls: &[Link],
    sights: &Sights,
) -> Duration {
    let earlier = mean(links.iter().filter_map(|link| before.get(link)).copied());
    earlier.max(times(controls, sights).unwrap_or_default())
}

/// How long what came over `links` took on average; `None` if nothing came.
fn times(links: &[Link], sights: &Sights) -> Option<Duration> {
    let came: Vec<Duration> =
        links.iter().filter_map(|link| sights.get(link)).filter_map(Sight::mean).collect();
    (!came.is_empty()).then(|| mean(came))
}

/// The mean of durations; zero for none.
pub(super) fn mean(all: impl IntoIterator<Item = Duration>) -> Duration {
    let (count, sum) = all
        .into_iter()
        .fold((0, Duration::ZERO), |(count, sum), duration| (count + 1, sum + duration));
    sum / count.max(1)
}

pub(super) fn milliseconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "–".into(), |time| format!("{:.1}", time.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests;
