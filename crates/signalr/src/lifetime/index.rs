//! Connections by a name: of a group, or of a user.

use std::hash::BuildHasher as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap};
use parking_lot::Mutex;

use crate::connection::link::Link;

/// More than the workers of a machine, so that two of them seldom want the same one.
pub(crate) const SHARDS: usize = 32;

/// Names and the connections behind each.
#[derive(Debug)]
pub(crate) struct Index {
    hasher: DefaultHashBuilder,
    shards: [Mutex<HashMap<Arc<str>, Arc<Members>>>; SHARDS],
}

/// The connections behind one name.
#[derive(Debug)]
pub(crate) struct Members {
    name: Arc<str>,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    /// In the order of their numbers, which is the order in which they came: joining mostly appends.
    links: Vec<(u64, Arc<Link>)>,
    /// Taken out of the index: whoever still holds it has to look again.
    is_dead: bool,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Members>> {
        self.shard(name).lock().get(name).cloned()
    }

    /// The names that have anybody.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let names = |shard: &Mutex<HashMap<Arc<str>, Arc<Members>>>| -> Vec<Arc<str>> {
            let shard = shard.lock();
            let with_members = shard.values().filter(|members| members.len() > 0);
            with_members
                .map(|members| Arc::clone(&members.name))
                .collect()
        };
        self.shards.iter().flat_map(names).collect()
    }

    /// Adds a connection; none: it was a member before.
    pub(crate) fn join(&self, name: &str, link: &Arc<Link>) -> Option<Arc<Members>> {
        loop {
            let members = self.get_or_insert(name);
            let mut list = members.list.lock();
            if list.is_dead {
                continue;
            }
            let at = list.position(link.number).err()?;
            list.links.insert(at, (link.number, Arc::clone(link)));
            drop(list);
            return Some(members);
        }
    }

    fn get_or_insert(&self, name: &str) -> Arc<Members> {
        let mut shard = self.shard(name).lock();
        if let Some(members) = shard.get(name) {
            return Arc::clone(members);
        }
        let members = Arc::new(Members {
            name: name.into(),
            list: Mutex::default(),
        });
        shard.insert(Arc::clone(&members.name), Arc::clone(&members));
        members
    }

    /// Takes a connection out of `members`, and the name out of the index if nobody is left.
    pub(crate) fn take_out(&self, members: &Members, link: &Link) -> bool {
        let mut list = members.list.lock();
        let Ok(at) = list.position(link.number) else {
            return false;
        };
        list.links.remove(at);
        if list.links.is_empty() {
            list.is_dead = true;
            drop(list);
            let mut shard = self.shard(&members.name).lock();
            // Whoever found it dead before this line may not have put another in its place: it was still there.
            shard.remove(&members.name);
        } else if list.links.len() * 4 <= list.links.capacity() {
            // A group that was large once does not stay so.
            list.links.shrink_to_fit();
        }
        true
    }

    fn shard(&self, name: &str) -> &Mutex<HashMap<Arc<str>, Arc<Members>>> {
        &self.shards[self.shard_number(name)]
    }

    /// The same for the same name, below [`SHARDS`].
    pub(crate) fn shard_number(&self, name: &str) -> usize {
        let hash = self.hasher.hash_one(name);
        usize::try_from(hash % SHARDS as u64).unwrap_or_default()
    }
}

impl Members {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn len(&self) -> usize {
        self.list.lock().links.len()
    }

    /// Hands each connection, from a number on, to `each`, which must not block; gives where that wants to stop, if it does.
    pub(crate) fn for_each_from<B>(
        &self,
        number: u64,
        mut each: impl FnMut(&Arc<Link>) -> ControlFlow<B>,
    ) -> Option<(u64, B)> {
        let list = self.list.lock();
        let at = list.links.partition_point(|(found, _)| *found < number);
        list.links.iter().skip(at).find_map(|(number, link)| {
            let stopped = each(link).break_value()?;
            Some((*number, stopped))
        })
    }
}

impl List {
    fn position(&self, number: u64) -> Result<usize, usize> {
        match self.links.last() {
            Some((last, _)) if *last < number => Err(self.links.len()),
            _ => self
                .links
                .binary_search_by_key(&number, |(number, _)| *number),
        }
    }
}
