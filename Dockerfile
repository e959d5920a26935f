# The image of prober: the first stage builds, the second contains only what runs.
#
#   podman build --format docker --tag prober .
#   podman run --read-only --volume ./prober.yaml:/etc/prober/prober.yaml:ro prober
#
# --format docker is needed because the OCI format has no HEALTHCHECK. BASE is pinned by digest, so
# that the base image cannot change unnoticed; to update it, change this line. The image has no
# shell and no package manager: packaging/image_root.py says what of the base is in it.
ARG BASE=docker.io/library/python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/prober && python3 -m venv /opt/build
COPY requirements.lock requirements-build.lock requirements-sbom.lock ./
RUN /opt/prober/bin/pip install --require-hashes --requirement requirements.lock \
    && /opt/build/bin/pip install --require-hashes --requirement requirements-build.lock \
    && /opt/build/bin/pip install --require-hashes --requirement requirements-sbom.lock
COPY pyproject.toml README.md LICENSE ./
COPY prober prober
COPY packaging packaging
RUN /opt/build/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /opt/build . \
    && /opt/prober/bin/pip install --no-deps --no-index /opt/build/*.whl \
    && /opt/prober/bin/pip uninstall --yes pip setuptools \
    && packaging/sbom /opt/build/bin/python /opt/prober/bin/python /opt/prober/sbom.cdx.json \
    && /opt/prober/bin/python packaging/image_root.py /image \
    && install --directory --owner=65532 --group=65532 --mode=0700 /state/prober

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="prober" \
      org.opencontainers.image.description="A health-check daemon that probes backends as a load balancer would." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /state /var/lib
ENV PATH=/opt/prober/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PROBER_CONFIG=/etc/prober/prober.yaml \
    PROBER_STATE_DIR=/var/lib/prober \
    PROBER_LISTEN=0.0.0.0:7762
USER 65532:65532
WORKDIR /
VOLUME /var/lib/prober
EXPOSE 7762
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s CMD ["prober", "health"]
ENTRYPOINT ["prober"]
CMD ["run"]
