# syntax=docker/dockerfile:1

# The compiler is the one of rust-toolchain.toml; e2e/containers holds the two against each other.
FROM rust:1.95.0-slim-bookworm AS build
# For the allocator, whose build is a configure script and a makefile.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
# The image has the C compiler that the cryptography of TLS and tokens is built with.
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY tools tools
# Dependencies and what was built of them stay in caches, so that a change of the service builds the service alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked -p presence-api \
 && install -D target/release/presence-api /out/presence-api

# glibc, certificates of public authorities, nobody's home: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
WORKDIR /app
COPY --from=build /out/presence-api /usr/local/bin/presence-api
COPY crates/presence-api/appsettings.json ./
# Images of .NET set the first; with it a compose file of the original starts this image unchanged.
ENV ASPNETCORE_HTTP_PORTS=8080 \
    Kestrel__Grpc__Url=http://[::]:8082
# By number, so that `runAsNonRoot` of Kubernetes can see that it is not root.
USER 65532:65532
# Web, web with TLS (if there is a certificate and ASPNETCORE_HTTPS_PORTS=8081), gRPC.
EXPOSE 8080 8081 8082
STOPSIGNAL SIGTERM
# The command gives up after 4 s by itself, and says so.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 CMD ["presence-api", "health"]
ENTRYPOINT ["presence-api"]
CMD ["serve"]
