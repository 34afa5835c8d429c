//! UTF-8 that arrives in pieces.

use smallvec::SmallVec;

/// Checks a text message piece by piece; keeps at most an unfinished character.
#[derive(Debug, Default)]
pub(super) struct Utf8Check {
    unfinished: SmallVec<[u8; 4]>,
}

/// Bytes that are not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

impl Utf8Check {
    pub(super) fn handle_piece(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while !self.unfinished.is_empty() {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            self.unfinished.push(byte);
            match std::str::from_utf8(&self.unfinished) {
                Ok(_) => self.unfinished.clear(),
                Err(e) if e.error_len().is_some() => return Err(NotUtf8),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(e) if e.error_len().is_some() => Err(NotUtf8),
            Err(e) => {
                self.unfinished.extend_from_slice(&piece[e.valid_up_to()..]);
                Ok(())
            }
        }
    }

    pub(super) fn handle_end(&self) -> Result<(), NotUtf8> {
        if self.unfinished.is_empty() {
            Ok(())
        } else {
            Err(NotUtf8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Cut anywhere, the verdict is that of the whole.
        #[test]
        fn pieces_are_judged_as_the_whole(
            bytes in proptest::prop_oneof![
                proptest::prelude::any::<String>().prop_map(String::into_bytes),
                proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
            ],
            cuts in proptest::collection::vec(1usize..7, 0..20),
        ) {
            let mut check = Utf8Check::default();
            let mut rest = bytes.as_slice();
            let mut verdict = Ok(());
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                verdict = verdict.and_then(|()| check.handle_piece(piece));
                rest = after;
            }
            verdict = verdict.and_then(|()| check.handle_end());
            proptest::prop_assert_eq!(verdict.is_ok(), std::str::from_utf8(&bytes).is_ok());
        }
    }

    use proptest::strategy::Strategy as _;
}
