use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[test]
fn a_wish_is_sent_confirmed_and_ended() {
    let mut wishes = connected();
    let mut answer = wishes.want(b"a").unwrap();
    assert_eq!(sent(&mut wishes), [(Verb::Subscribe, b"a".to_vec())]);
    assert!(answer.try_recv().is_err(), "not before it is confirmed");
    wishes.joined(ONE, b"a");
    assert_eq!(answer.try_recv().unwrap(), Ok(()));
    assert!(wishes.want(b"a").is_none(), "it is there already");

    wishes.unwant(b"a");
    assert_eq!(sent(&mut wishes), [(Verb::Unsubscribe, b"a".to_vec())]);
    wishes.left(ONE, b"a");
    assert!(wishes.channels.is_empty());
}

#[test]
fn wanted_again_while_its_end_is_on_the_way() {
    let mut wishes = connected();
    let _answer = wishes.want(b"a");
    let _ = sent(&mut wishes);
    wishes.joined(ONE, b"a");
    wishes.unwant(b"a");
    let _ = sent(&mut wishes);
    let mut answer = wishes.want(b"a").unwrap();
    assert_eq!(sent(&mut wishes), [], "one command at a time");
    wishes.left(ONE, b"a");
    assert_eq!(sent(&mut wishes), [(Verb::Subscribe, b"a".to_vec())]);
    wishes.joined(ONE, b"a");
    assert_eq!(answer.try_recv().unwrap(), Ok(()));
}

#[test]
fn without_a_connection_the_wish_stands_and_the_answer_is_an_error() {
    let mut wishes = Wishes::new(PubSub::Classic);
    let mut answer = wishes.want(b"a").unwrap();
    assert!(matches!(
        answer.try_recv().unwrap(),
        Err(LinkError::Away(_))
    ));
    connect(&mut wishes);
    assert!(!wishes.is_whole());
    assert_eq!(sent(&mut wishes), [(Verb::Subscribe, b"a".to_vec())]);
    wishes.joined(ONE, b"a");
    assert!(wishes.is_whole());
    assert!(wishes.made_whole().is_resumed);
}

#[test]
fn a_first_connection_is_no_return() {
    let mut wishes = connected();
    let whole = |generation, is_resumed| Whole {
        generation,
        is_resumed,
    };
    assert_eq!(wishes.made_whole(), whole(1, false));
    wishes.close(&"gone".into());
    connect(&mut wishes);
    assert_eq!(wishes.made_whole(), whole(2, true));
}

#[test]
fn a_refusal_is_told_and_does_not_hold_up_the_replay() {
    let mut wishes = Wishes::new(PubSub::Classic);
    let _away = wishes.want(b"a");
    connect(&mut wishes);
    let command = wishes.next(ONE, 1).unwrap();
    let refusal = refusal("NOPERM no");
    let mut answer = wishes.want(b"a").unwrap();
    wishes.refused(ONE, &command, &refusal);
    assert_eq!(answer.try_recv().unwrap(), Err(LinkError::Refused(refusal)));
    assert!(wishes.is_whole());
    wishes.close(&"gone".into());
    connect(&mut wishes);
    assert_eq!(sent(&mut wishes).len(), 1, "it is tried again");
}

#[test]
fn commands_have_their_largest_size() {
    let mut wishes = connected();
    let answers: Vec<_> = (0..5u8).map(|name| wishes.want(&[name])).collect();
    assert_eq!(answers.len(), 5);
    assert_eq!(sizes(&mut wishes, 2), [2, 2, 1]);
}

#[test]
fn a_command_of_sharded_pub_sub_has_one_slot() {
    let mut wishes = Wishes::new(PubSub::Sharded);
    for name in ["{a}1", "b", "{a}2", "{c}", "{a}3"] {
        let _away = wishes.want(name.as_bytes());
    }
    wishes.lay_out(halves(ONE, ONE));
    wishes.connected(ONE);
    let mut sizes = sizes(&mut wishes, 10);
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 3]);
}

#[test]
fn channels_are_at_home_where_their_slots_are() {
    let mut wishes = Wishes::new(PubSub::Sharded);
    // Their slots are 12182 and 5061.
    let (foo, bar) = (b"foo", b"bar");
    let _away = (wishes.want(foo), wishes.want(bar));
    wishes.lay_out(halves(ONE, TWO));
    wishes.connected(ONE);
    assert!(!wishes.is_whole());
    wishes.connected(TWO);
    let on = |wishes: &mut Wishes, server| wishes.next(server, 9).map(|next| next.channels);
    assert_eq!(on(&mut wishes, ONE), Some(vec![Arc::from(&bar[..])]));
    assert_eq!(on(&mut wishes, TWO), Some(vec![Arc::from(&foo[..])]));
    wishes.joined(ONE, bar);
    wishes.joined(ONE, foo);
    assert!(!wishes.is_whole(), "it is not at home there");
    wishes.joined(TWO, foo);
    assert!(wishes.is_whole());
    assert_eq!(wishes.trouble(), None);

    wishes.lost(TWO, &"gone".into());
    assert_eq!(wishes.trouble().as_deref(), Some("gone"));
    wishes.lay_out(halves(ONE, ONE));
    assert_eq!(on(&mut wishes, ONE), Some(vec![Arc::from(&foo[..])]));
    wishes.joined(ONE, foo);
    assert!(wishes.is_whole());
}

#[test]
fn a_slot_that_nobody_has_is_waited_for() {
    let mut wishes = Wishes::new(PubSub::Sharded);
    wishes.lay_out(halves(ONE, ONE)[..1].to_vec());
    wishes.connected(ONE);
    let mut answer = wishes.want(b"foo").unwrap();
    let told = answer.try_recv().unwrap().unwrap_err();
    assert!(told.to_string().contains("has the slot"), "{told}");
    assert!(!wishes.is_whole());
    wishes.lay_out(halves(ONE, ONE));
    assert_eq!(sent(&mut wishes), [(Verb::Subscribe, b"foo".to_vec())]);
}

#[test]
fn who_waits_for_a_channel_that_moves_waits_on() {
    let mut wishes = Wishes::new(PubSub::Sharded);
    wishes.lay_out(halves(ONE, TWO));
    wishes.connected(ONE);
    wishes.connected(TWO);
    let mut answer = wishes.want(b"foo").unwrap();
    let command = wishes.next(TWO, 9).unwrap();
    wishes.refused(TWO, &command, &refusal("MOVED 12182 h:1"));
    assert!(answer.try_recv().is_err(), "it may be there soon");
    assert_eq!(wishes.next(TWO, 9), None, "not without a new layout");
    wishes.lay_out(halves(TWO, ONE));
    assert_eq!(sent(&mut wishes), [(Verb::Subscribe, b"foo".to_vec())]);
    wishes.joined(ONE, b"foo");
    assert_eq!(answer.try_recv().unwrap(), Ok(()));
}

#[derive(Debug, Clone)]
enum Step {
    Want(u8),
    Unwant(u8),
    /// A server takes the next command and carries it out, or refuses it.
    Serve(usize),
    /// The client reads the next answer.
    Confirm(usize),
    Lose(usize),
    Connect(usize),
    /// Another server gets the slot.
    Move(u8),
    /// The client learns who has the slots.
    LayOut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8).prop_map(Step::Want),
        4 => (0..3u8).prop_map(Step::Unwant),
        4 => (0..2usize).prop_map(Step::Serve),
        4 => (0..2usize).prop_map(Step::Confirm),
        1 => (0..2usize).prop_map(Step::Lose),
        2 => (0..2usize).prop_map(Step::Connect),
        1 => (0..3u8).prop_map(Step::Move),
        2 => Just(Step::LayOut),
    ]
}

proptest! {
    /// Whatever the interleaving: when all is quiet, the servers have exactly what is wanted, and nobody waits.
    #[test]
    fn the_servers_end_up_with_what_is_wanted(steps in prop::collection::vec(step(), 0..80)) {
        let mut wishes = Wishes::new(PubSub::Sharded);
        let mut model = Model::default();
        wishes.lay_out(model.layout());
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
                Step::Serve(at) => { model.serve(at, &mut wishes); }
                Step::Confirm(at) => { model.confirm(at, &mut wishes); }
                Step::Lose(at) => {
                    model.servers[at] = Server::default();
                    wishes.lost(IDS[at], &"gone".into());
                }
                Step::Connect(at) => model.connect(at, &mut wishes),
                Step::Move(name) => model.give_away(name),
                Step::LayOut => wishes.lay_out(model.layout()),
            }
            prop_assert_eq!(wishes.wanted(), wanted.len());
        }
        for at in 0..2 {
            model.connect(at, &mut wishes);
        }
        // What is astray when all is quiet waits for the layout.
        for _ in 0..2 {
            wishes.lay_out(model.layout());
            while (0..2).any(|at| model.serve(at, &mut wishes) || model.confirm(at, &mut wishes)) {}
        }
        for (at, server) in model.servers.iter().enumerate() {
            let wanted: HashSet<u8> = wanted.iter().copied().filter(|name| model.owner(*name) == at).collect();
            prop_assert_eq!(&server.channels, &wanted);
        }
        prop_assert!(wishes.is_whole());
        prop_assert_eq!(wishes.trouble(), None);
        for mut answer in answers {
            prop_assert!(answer.try_recv().is_ok(), "somebody still waits");
        }
    }
}

/// What two servers do, each with some of the slots.
#[derive(Default)]
struct Model {
    servers: [Server; 2],
    /// By name, whether the second server has its slot.
    given_away: [bool; 3],
}

#[derive(Default)]
struct Server {
    is_connected: bool,
    channels: HashSet<u8>,
    said: VecDeque<Said>,
}

enum Said {
    Joined(u8),
    Left(u8),
    Moved(Command),
}

impl Model {
    fn owner(&self, name: u8) -> usize {
        usize::from(self.given_away[usize::from(name)])
    }

    fn layout(&self) -> Vec<Owner> {
        let owner = |name: u8| Owner {
            first: slot(&[name]),
            last: slot(&[name]),
            server: IDS[self.owner(name)],
        };
        let mut owners: Vec<_> = (0..3).map(owner).collect();
        owners.sort_by_key(|owner| owner.first);
        // A server keeps its connection also when it has nothing that is asked for here.
        owners.extend(IDS.map(|server| Owner {
            first: SLOTS,
            last: SLOTS,
            server,
        }));
        owners
    }

    fn connect(&mut self, at: usize, wishes: &mut Wishes) {
        if !std::mem::replace(&mut self.servers[at].is_connected, true) {
            wishes.connected(IDS[at]);
        }
    }

    fn give_away(&mut self, name: u8) {
        let before = &mut self.servers[self.owner(name)];
        if before.channels.remove(&name) {
            before.said.push_back(Said::Left(name));
        }
        self.given_away[usize::from(name)] ^= true;
    }

    fn serve(&mut self, at: usize, wishes: &mut Wishes) -> bool {
        let Some(command) = wishes.next(IDS[at], 2) else {
            return false;
        };
        let name = command.channels[0][0];
        let is_mine = self.owner(name) == at;
        let server = &mut self.servers[at];
        // The same may stand there twice, after it was moved away and back; others have slots of their own.
        assert!(command.channels.iter().all(|channel| **channel == [name]));
        if !is_mine {
            server.said.push_back(Said::Moved(command));
            return true;
        }
        for _ in &command.channels {
            server.said.push_back(match command.verb {
                Verb::Subscribe => {
                    server.channels.insert(name);
                    Said::Joined(name)
                }
                Verb::Unsubscribe => {
                    server.channels.remove(&name);
                    Said::Left(name)
                }
            });
        }
        true
    }

    fn confirm(&mut self, at: usize, wishes: &mut Wishes) -> bool {
        match self.servers[at].said.pop_front() {
            Some(Said::Joined(name)) => wishes.joined(IDS[at], &[name]),
            Some(Said::Left(name)) => wishes.left(IDS[at], &[name]),
            Some(Said::Moved(command)) => {
                wishes.refused(IDS[at], &command, &refusal("MOVED 1 h:1"));
            }
            None => return false,
        }
        true
    }
}

const ONE: ServerId = ServerId(1);
const TWO: ServerId = ServerId(2);
const IDS: [ServerId; 2] = [ONE, TWO];

fn halves(lower: ServerId, upper: ServerId) -> Vec<Owner> {
    let half = |first, last, server| Owner {
        first,
        last,
        server,
    };
    vec![half(0, 8191, lower), half(8192, SLOTS - 1, upper)]
}

fn refusal(text: &str) -> Refusal {
    let (code, text) = text.split_once(' ').unwrap();
    Refusal {
        code: code.to_owned(),
        text: text.to_owned(),
    }
}

fn connect(wishes: &mut Wishes) {
    wishes.settle_on(ONE);
    wishes.connected(ONE);
}

fn connected() -> Wishes {
    let mut wishes = Wishes::new(PubSub::Classic);
    connect(&mut wishes);
    wishes
}

fn sizes(wishes: &mut Wishes, most: usize) -> Vec<usize> {
    std::iter::from_fn(|| wishes.next(ONE, most))
        .map(|command| command.channels.len())
        .collect()
}

fn sent(wishes: &mut Wishes) -> Vec<(Verb, Vec<u8>)> {
    std::iter::from_fn(|| wishes.next(ONE, 1))
        .map(|command| (command.verb, command.channels[0].to_vec()))
        .collect()
}
