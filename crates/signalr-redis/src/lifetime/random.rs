//! Names that nobody else has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// 32 hexadecimal digits, as .NET writes a GUID in names of servers.
pub(super) fn hex() -> String {
    let number = u128::from_be_bytes(bytes());
    format!("{number:032x}")
}

/// 22 characters, as .NET writes a GUID in ids of questions.
pub(super) fn base64() -> String {
    STANDARD_NO_PAD.encode(bytes())
}

fn bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    #[expect(
        clippy::expect_used,
        reason = "without randomness an answer could reach somebody else"
    )]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_length_of_dotnets_and_are_different() {
        assert_eq!((hex().len(), base64().len()), (32, 22));
        assert!(
            hex()
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        );
        assert_ne!(hex(), hex());
        assert_ne!(base64(), base64());
    }
}
