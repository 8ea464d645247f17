# The image of the Mink server: both distributions as wheels, and the dependencies that uv.lock names, with their hashes.
#
#     docker build -t mink .
#     docker run --init -p 127.0.0.1:50051:50051 -e MINK_LISTEN=0.0.0.0:50051 -e MINK_INSECURE=true -v mink:/var/lib/mink mink
#
# `tools/check-image` does what is written here without a container engine.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim-bookworm AS build
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.8
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY server server
COPY clients/python clients/python
RUN uv build --wheel --package mink-client --out-dir /dist \
    && uv build --wheel --package mink-server --out-dir /dist
RUN uv export --quiet --frozen --no-default-groups --no-emit-workspace --output-file /dist/requirements.txt
RUN python -m venv --without-pip /opt/mink \
    && uv pip install --python /opt/mink/bin/python --compile-bytecode --require-hashes --requirements /dist/requirements.txt \
    && uv pip install --python /opt/mink/bin/python --no-deps --compile-bytecode /dist/*.whl

FROM python:${PYTHON}-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mink" \
      org.opencontainers.image.description="An event store over gRPC, kept in Postgres" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN useradd --uid 1000 --user-group --home-dir /var/lib/mink --create-home --shell /usr/sbin/nologin mink
COPY LICENSE /usr/share/doc/mink/LICENSE
COPY --from=build /opt/mink /opt/mink
ENV PATH=/opt/mink/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MINK_DATA_DIR=/var/lib/mink
# By number: Kubernetes sees that it is not root.
USER 1000:1000
WORKDIR /var/lib/mink
VOLUME /var/lib/mink
EXPOSE 50051 8080 9090
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; at = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('MINK_HTTP_LISTEN', ':8080').rpartition(':')[2]), timeout=2); at.request('GET', '/health/live'); sys.exit(at.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["mink"]
CMD ["serve"]
