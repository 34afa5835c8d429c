# One screen of the commands that this project uses; `./test` runs the checks in order.

default: lint test

fmt:
    cargo fmt --all

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

test *args:
    cargo nextest run --workspace --all-features --locked {{args}}
    cargo test --workspace --all-features --doc --locked

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked

deny:
    cargo deny --locked check bans licenses sources

layers:
    ./.ci/layers

wire *groups:
    cargo build --locked -p test-hub
    python3 e2e/wire/run.py target/debug/test-hub {{groups}}

e2e:
    cargo build --workspace --locked
    ./e2e/run.sh

# Builds the script of the page of `presence-api dev` from crates/presence-api/page.
page:
    cd e2e && npm ci --no-audit --no-fund && npm run page

# Needs the list of advisories, which is fetched from GitHub.
advisories:
    cargo deny --locked check advisories

bench *args:
    cargo bench --locked -p signalr-protocol -p signalr -p presence --features presence/redis --benches {{args}}

# Beside a floor and a peer, where FLOOR and PEER name them: docs/performance.md.
compare *args:
    cargo build --release --locked -p presence-api -p loadgen
    bench/compare.py {{args}}

# How costs grow with how many there are.
growth *args:
    cargo build --release --locked -p presence-api -p loadgen
    bench/growth.py {{args}}

# Instructions for each call and delivery, against the budgets in bench/instructions.json.
instructions *args:
    cargo build --release --locked -p presence-api -p loadgen
    bench/instructions.py {{args}}

# Tries to break json, messagepack, handshake or connection for so long; needs cargo-fuzz (0.13.2).
fuzz target seconds="60":
    cargo fuzz run --sanitizer none {{target}} -- -max_total_time={{seconds}} -rss_limit_mb=2048 -timeout=10

dev:
    cargo run --release --locked -p presence-api -- dev

ci:
    ./test
