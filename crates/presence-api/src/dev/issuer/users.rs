//! Made-up people.

/// Ids and names of the people that the page offers.
pub(super) const USERS: [(&str, &str); 8] = [
    ("alice", "Alice Okafor"),
    ("bob", "Bob Lindqvist"),
    ("carol", "Carol Nakamura"),
    ("dave", "Dave Moreau"),
    ("erin", "Erin Kowalski"),
    ("frank", "Frank Adeyemi"),
    ("grace", "Grace Tanaka"),
    ("heidi", "Heidi Brandt"),
];

/// The name of a user, which for somebody unknown is the id.
pub(super) fn name_of(id: &str) -> &str {
    USERS
        .iter()
        .find(|(known, _)| *known == id)
        .map_or(id, |(_, name)| name)
}
