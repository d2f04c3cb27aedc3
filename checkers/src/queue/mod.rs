//! Queues: linearizability, and what became of every message.
//!
//! *Papers.* Henzinger, Sezgin & Vafeiadis, "Aspect-oriented linearizability proofs", CONCUR 2013,
//! section 4, give the patterns of violation of complete histories (`VFresh`, `VRepeat`, `VOrd`, `VWit`);
//! Abdulla et al., "Efficient linearizability monitoring", PLDI 2025, and Lee & Mathur, "Efficient
//! decrease-and-conquer linearizability monitoring", 2025, decide queues with unique values in
//! O(n log n). The conditions below are derived anew, since older procedures (Violin and before) are
//! known to be wrong, and go further: **operations of which nobody knows are judged, too, dequeues
//! included, without a search**. The claims on messages are those of `jepsen.checker/total-queue`
//! (Kingsbury), where "lost" is said only if the queue was found empty after all.
//!
//! # Linearizability where every value is enqueued once
//!
//! Write in(v) for the enqueue of v and out(v) for the dequeue that returned it. An enqueue that
//! failed never was; one of which nobody knows happened if its value came out, and else need not
//! have: take it out of a linearization, with the unseen dequeue that may have removed it, and the
//! rest is one still. v goes in before it comes out. So it goes in between `in_from`, the invocation
//! of in(v), and `in_by`, the completion of in(v) or out(v), whichever is first; and it comes out
//! between `out_from`, the invocation of out(v) or in(v), whichever is last, and `out_by`, the
//! completion of out(v). If v never came out, `out_from` = `out_by` = ∞.
//!
//! First, without unseen dequeues. *A FIFO queue is linearizable if and only if*
//! 1. every value that came out went in (`in_from` < `out_by`), and came out once;
//! 2. there are no a, b with `in_by`(a) < `in_from`(b) and `out_by`(b) < `out_from`(a);
//! 3. each dequeue that found nothing contains a moment t that lies in no interval
//!    (`in_by`(v), `out_from`(v)).
//!
//! They are necessary: in 2, a goes in first and so comes out first; in 3, v is inside for certain.
//! *They suffice.* Say a <ᵢ b if `in_by`(a) < `in_from`(b), and a <ₒ b if `out_by`(a) <
//! `out_from`(b). Both are interval orders: of a <ᵢ b and c <ᵢ d follows a <ᵢ d or c <ᵢ b. Take a
//! shortest cycle of both; edges of one kind in a row are one edge by transitivity, so that the kinds
//! alternate: a <ᵢ b <ₒ c <ᵢ d <ₒ …. Then a <ᵢ d, and the cycle is shorter, or c <ᵢ b, which with
//! b <ₒ c is what 2 forbids. So there is a total order v₁, v₂ … that extends both. Let vₖ go in at pₖ,
//! the greatest `in_from` of v₁ … vₖ, and come out at qₖ, the greatest of pₖ and the `out_from` of
//! v₁ … vₖ; at one instant enqueues come first, each kind in the total order. Then pₖ < `in_by`(vₖ),
//! or some vⱼ before it would have vₖ <ᵢ vⱼ; for the same reason qₖ < `out_by`(vₖ); and pₖ ≤ qₖ. Now
//! let t be a moment as in 3. Each v with `out_from`(v) < t is made to go in and come out before t
//! (`in_by` and `out_by` become t at the latest), each other v after it (it has `out_from`(v) > t and
//! therefore `in_by`(v) > t; `in_from` and `out_from` become t at the earliest). This makes no new
//! pair as in 2: on one side of t the comparisons are as before, and across t all a before t are both
//! <ᵢ and <ₒ all b after it. Nor does it cover another moment: an interval (`in_by`, `out_from`)
//! changes only at its ends beyond t. So one moment after the other can be taken. ∎
//!
//! *A bag* (unordered queue) needs 1 and 3 only: v comes out at `out_from`(v), and goes in at
//! `in_from`(v) or the last chosen moment before `out_from`(v), whichever is later.
//!
//! **Unseen dequeues** (indeterminate, or open at the end): each may have removed one message after
//! its invocation, at whatever time. Let U be what went in for certain and nobody is known to have
//! taken. Given a matching of some of U to unseen dequeues, v ∈ U comes out after the invocation x of
//! its dequeue, with `out_by` = ∞, and the theorem applies. By 2, v has to be out by its *deadline*
//! L(v), the least `out_by`(b) of the b with v <ᵢ b that came out: x < L(v). What is matched never is
//! the b of 2; what is not must not precede what came out, and the sets with a deadline are closed
//! under <ᵢ, since the deadlines of predecessors are no later. By 3, for each chosen moment t, v must
//! be out before t if `in_by`(v) < t. So by Hall's theorem for nested deadlines a matching exists if
//! and only if for every T: |{v : L(v) ≤ T, or `in_by`(v) < t for a chosen t ≤ T}| ≤ X(T), the number
//! of unseen dequeues invoked before T. The greatest chosen t ≤ T alone matters, so that each moment
//! can be judged by itself: t may be chosen if and only if for all T ≥ t |{v : L(v) ≤ T or `in_by`(v)
//! < t}| ≤ X(T). A sweep over t with a tree of minima over T tells which moments may be; each dequeue
//! that found nothing needs one of them. Of a bag every L(v) is ∞.
//!
//! *Cost.* O(n) without unseen dequeues, once events are numbered; O(n log n) with.
//!
//! *Where values repeat* the part before is judged as above, then the whole is counted (see
//! `repeats`); what counting leaves open is searched, within the budget.
//!
//! # Conventions
//!
//! A dequeue that is ok with nil found the queue empty at some moment of it. One that failed had no
//! effect, and claims no such moment, though for lost messages "empty" as its reason says that the
//! queue was. A drain is many dequeues, and so no operation of a linearizable queue.
//!
//! *What it cannot see.* Messages that are inside for ever where nobody looks: an acknowledged
//! message counts as lost only if, after every acknowledged enqueue and after healing, the queue was
//! found empty and nothing came out again. As many missing messages as there are dequeues of unknown
//! outcome may have been taken by these. Where messages repeat, producers' order is `Unknown`.
//!
//! *A history that breaks it:* 2 overtakes 1.
//!
//! ```text
//! p0 invoke enqueue q 1
//! p0 ok
//! p0 invoke enqueue q 2
//! p0 ok
//! p1 invoke dequeue q
//! p1 ok 2
//! ```

mod delivery;
mod elements;
mod emptiness;
mod lessons;
mod linearizable;
mod messages;
mod operations;
#[cfg(test)]
mod oracle;
mod order;
#[cfg(test)]
pub(crate) mod random;
mod repeats;
mod teller;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_messages;

pub(crate) use delivery::ENTRY;
pub(crate) use lessons::LESSONS;
pub(crate) use linearizable::LINEARIZABLE;
