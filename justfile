# One screen of the commands that this project uses; `./test` runs the checks in order.

default: lint test

fmt:
    cargo fmt --all

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

test *args:
    cargo nextest run --workspace --locked {{args}}
    cargo test --workspace --doc --locked

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

deny:
    cargo deny --locked check bans licenses sources

layers:
    ./.ci/layers

wire *groups:
    cargo build --locked -p test-hub
    python3 e2e/wire/run.py target/debug/test-hub {{groups}}

e2e:
    ./e2e/run.sh

dev:
    cargo run --release --locked -p presence-api -- dev

ci:
    ./test
