//! Which publish was returned, told from confirms that carry each other's returns. Pure.
//!
//! The broker sends a return before the confirm of the same message. The client keeps returns in
//! the order in which they came and gives each confirm that it resolves the oldest one, whosever
//! it is. So a confirm can take the return of a message whose own confirm comes later, and leave
//! its own to that one. But each takes one as long as there is any: once every returned message has
//! its confirm, no confirmed one has a return to come. Until then nobody is told that all is well.

use std::collections::{BTreeMap, HashSet};

use crate::broker::PublishError;

/// The confirms and returns of one channel.
#[derive(Debug, Default)]
pub(super) struct Matching {
    /// Confirmed or refused (`true`), but a return may still come with another's confirm.
    confirmed: BTreeMap<u64, bool>,
    /// Returned with another's confirm; their own is still to come.
    returned_early: HashSet<u64>,
    /// Returned, and not told yet.
    returned: Vec<u64>,
}

impl Matching {
    /// A confirm came, with the return it carried.
    pub(super) fn confirm(&mut self, id: u64, refused: bool, carried: Option<u64>) {
        if let Some(returned) = carried {
            self.returned.push(returned);
            if self.confirmed.remove(&returned).is_none() {
                self.returned_early.insert(returned);
            }
        }
        if !self.returned_early.remove(&id) {
            self.confirmed.insert(id, refused);
        }
    }

    /// What is certain by now, each told once. Call it when every confirm that has arrived is in.
    pub(super) fn certain(&mut self) -> Vec<(u64, Result<(), PublishError>)> {
        let returned = std::mem::take(&mut self.returned);
        let mut certain: Vec<_> =
            returned.into_iter().map(|id| (id, Err(PublishError::Returned))).collect();
        if self.returned_early.is_empty() {
            let confirmed = std::mem::take(&mut self.confirmed);
            certain.extend(confirmed.into_iter().map(|(id, refused)| {
                (id, if refused { Err(PublishError::Refused) } else { Ok(()) })
            }));
        }
        certain
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Frame {
        Return(u64),
        Confirm(u64),
    }

    /// Frames as a broker may send them: confirms in any order, each return somewhere before its
    /// confirm. `returned` says for each message whether it is, and how early.
    fn frames(confirms: &[u64], returned: &[Option<usize>]) -> Vec<Frame> {
        let mut frames: Vec<Frame> = confirms.iter().copied().map(Frame::Confirm).collect();
        for (id, early) in (0..).zip(returned) {
            let confirm = frames.iter().position(|frame| *frame == Frame::Confirm(id)).unwrap();
            if let Some(early) = early {
                frames.insert(early % (confirm + 1), Frame::Return(id));
            }
        }
        frames
    }

    proptest! {
        #[test]
        fn each_message_is_told_once_and_rightly_however_confirms_and_returns_are_paired(
            confirms in Just((0..30).collect::<Vec<u64>>()).prop_shuffle(),
            returned in prop::collection::vec(prop::option::of(0..60_usize), 30),
            looks in prop::collection::vec(any::<bool>(), 60),
        ) {
            let mut matching = Matching::default();
            let mut waiting = VecDeque::new();
            let mut told = BTreeMap::new();
            for (frame, look) in frames(&confirms, &returned).into_iter().zip(looks) {
                match frame {
                    Frame::Return(id) => waiting.push_back(id),
                    // The client's pairing: the oldest return goes with whatever is resolved.
                    Frame::Confirm(id) => matching.confirm(id, false, waiting.pop_front()),
                }
                if look {
                    for (id, result) in matching.certain() {
                        prop_assert_eq!(told.insert(id, result), None, "told twice");
                    }
                }
            }
            told.extend(matching.certain());
            for (id, early) in (0..).zip(&returned) {
                let expected = if early.is_some() { Err(PublishError::Returned) } else { Ok(()) };
                prop_assert_eq!(told.get(&id), Some(&expected), "message {}", id);
            }
        }
    }

    #[test]
    fn a_refused_message_is_told_as_such() {
        let mut matching = Matching::default();
        matching.confirm(1, true, None);
        assert_eq!(matching.certain(), [(1, Err(PublishError::Refused))]);
        assert_eq!(matching.certain(), []);
    }
}
