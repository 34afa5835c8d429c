use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[test]
fn a_wish_is_sent_confirmed_and_ended() {
    let mut wishes = connected();
    let mut answer = wishes.want(b"a").unwrap();
    assert_eq!(sent(&mut wishes), [(Verb::Subscribe, b"a".to_vec())]);
    assert!(answer.try_recv().is_err(), "not before it is confirmed");
    wishes.joined(b"a");
    assert_eq!(answer.try_recv().unwrap(), Ok(()));
    assert!(wishes.want(b"a").is_none(), "it is there already");

    wishes.unwant(b"a");
    assert_eq!(sent(&mut wishes), [(Verb::Unsubscribe, b"a".to_vec())]);
    wishes.left(b"a");
    assert!(wishes.channels.is_empty());
}

#[test]
fn wanted_again_while_its_end_is_on_the_way() {
    let mut wishes = connected();
    let _answer = wishes.want(b"a");
    let _ = sent(&mut wishes);
    wishes.joined(b"a");
    wishes.unwant(b"a");
    let _ = sent(&mut wishes);
    let mut answer = wishes.want(b"a").unwrap();
    assert_eq!(sent(&mut wishes), [], "one command at a time");
    wishes.left(b"a");
    assert_eq!(sent(&mut wishes), [(Verb::Subscribe, b"a".to_vec())]);
    wishes.joined(b"a");
    assert_eq!(answer.try_recv().unwrap(), Ok(()));
}

#[test]
fn without_a_connection_the_wish_stands_and_the_answer_is_an_error() {
    let mut wishes = Wishes::default();
    let mut answer = wishes.want(b"a").unwrap();
    assert!(matches!(
        answer.try_recv().unwrap(),
        Err(LinkError::Away(_))
    ));
    wishes.connected();
    assert!(!wishes.is_replayed());
    assert_eq!(sent(&mut wishes), [(Verb::Subscribe, b"a".to_vec())]);
    wishes.joined(b"a");
    assert!(wishes.is_replayed());
}

#[test]
fn a_refusal_is_told_and_does_not_hold_up_the_replay() {
    let mut wishes = Wishes::default();
    let _away = wishes.want(b"a");
    wishes.connected();
    let _ = sent(&mut wishes);
    let refusal = Refusal {
        code: "NOPERM".into(),
        text: "no".into(),
    };
    let mut answer = wishes.want(b"a").unwrap();
    wishes.refused(Verb::Subscribe, &[Arc::from(&b"a"[..])], &refusal);
    assert_eq!(answer.try_recv().unwrap(), Err(LinkError::Refused(refusal)));
    assert!(wishes.is_replayed());
    wishes.lost(&"gone".into());
    wishes.connected();
    assert_eq!(sent(&mut wishes).len(), 1, "it is tried again");
}

#[test]
fn commands_have_their_largest_size() {
    let mut wishes = connected();
    let answers: Vec<_> = (0..5u8).map(|name| wishes.want(&[name])).collect();
    assert_eq!(answers.len(), 5);
    let sizes: Vec<usize> = std::iter::from_fn(|| wishes.next(2))
        .map(|(_, channels)| channels.len())
        .collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[derive(Debug, Clone)]
enum Step {
    Want(u8),
    Unwant(u8),
    /// The server takes the next command and carries it out.
    Serve,
    /// The client reads the next confirmation.
    Confirm,
    Lose,
    Connect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8).prop_map(Step::Want),
        4 => (0..3u8).prop_map(Step::Unwant),
        4 => Just(Step::Serve),
        4 => Just(Step::Confirm),
        1 => Just(Step::Lose),
        2 => Just(Step::Connect),
    ]
}

proptest! {
    /// Whatever the interleaving: when all is quiet, the server has exactly what is wanted, and nobody waits.
    #[test]
    fn the_server_ends_up_with_what_is_wanted(steps in prop::collection::vec(step(), 0..60)) {
        let mut wishes = Wishes::default();
        let mut server = Model::default();
        let mut wanted = HashSet::new();
        let mut answers = Vec::new();
        for step in steps {
            match step {
                Step::Want(name) => {
                    wanted.insert(name);
                    answers.extend(wishes.want(&[name]));
                }
                Step::Unwant(name) => {
                    wanted.remove(&name);
                    wishes.unwant(&[name]);
                }
                Step::Serve => { server.serve(&mut wishes); }
                Step::Confirm => { server.confirm(&mut wishes); }
                Step::Lose => {
                    server = Model::default();
                    wishes.lost(&"gone".into());
                }
                Step::Connect if !wishes.is_connected => wishes.connected(),
                Step::Connect => {}
            }
            prop_assert_eq!(wishes.wanted(), wanted.len());
        }
        if !wishes.is_connected {
            wishes.connected();
        }
        while server.serve(&mut wishes) || server.confirm(&mut wishes) {}
        prop_assert_eq!(server.channels, wanted);
        prop_assert!(wishes.is_replayed());
        for mut answer in answers {
            prop_assert!(answer.try_recv().is_ok(), "somebody still waits");
        }
    }
}

/// What a server does.
#[derive(Default)]
struct Model {
    channels: HashSet<u8>,
    confirmations: VecDeque<(Verb, u8)>,
}

impl Model {
    fn serve(&mut self, wishes: &mut Wishes) -> bool {
        let Some((verb, channels)) = wishes.next(2) else {
            return false;
        };
        for channel in channels {
            match verb {
                Verb::Subscribe => self.channels.insert(channel[0]),
                Verb::Unsubscribe => self.channels.remove(&channel[0]),
            };
            self.confirmations.push_back((verb, channel[0]));
        }
        true
    }

    fn confirm(&mut self, wishes: &mut Wishes) -> bool {
        match self.confirmations.pop_front() {
            Some((Verb::Subscribe, name)) => wishes.joined(&[name]),
            Some((Verb::Unsubscribe, name)) => wishes.left(&[name]),
            None => return false,
        }
        true
    }
}

fn connected() -> Wishes {
    let mut wishes = Wishes::default();
    wishes.connected();
    wishes
}

fn sent(wishes: &mut Wishes) -> Vec<(Verb, Vec<u8>)> {
    std::iter::from_fn(|| wishes.next(1))
        .map(|(verb, channels)| (verb, channels[0].to_vec()))
        .collect()
}
