# The worker's image, by BuildKit:
#   docker build --target cpu  --tag emostream:0.1.0      .
#   docker build --target cuda --tag emostream:0.1.0-cuda .
# cpu runs the builtin models and exported ones by OpenVINO, without torch; cuda adds torch for NVIDIA GPUs.
# Another base with Python 3.11 or newer: --build-arg BASE=registry/name@sha256:…
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS builder
ARG UV_VERSION=0.13.8
ENV UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
RUN pip install --no-cache-dir --no-compile "uv==${UV_VERSION}" \
    && python3 -m venv --without-pip /opt/emostream
WORKDIR /src
COPY pyproject.toml constraints.txt ./

# What the code needs changes seldom, the code often: layers of their own. Bytecode is never checked against the source,
# because nobody can write to the image. OpenVINO's drivers for Intel GPUs and NPUs are of no use to a CPU.
FROM builder AS cpu-dependencies
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --quiet --python /opt/emostream --constraint constraints.txt --requirement pyproject.toml \
        --extra confluent --extra otel \
    && find /opt/emostream -name libopenvino_intel_gpu_plugin.so -delete \
    && find /opt/emostream -name libopenvino_intel_npu_plugin.so -delete \
    && /opt/emostream/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/emostream/lib

FROM builder AS cuda-dependencies
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --quiet --python /opt/emostream --constraint constraints.txt --requirement pyproject.toml \
        --extra confluent --extra otel --extra torch \
    && /opt/emostream/bin/python -m compileall -q --invalidation-mode unchecked-hash -x torch/testing/_internal/py3 \
        /opt/emostream/lib

FROM builder AS code
COPY README.md LICENSE NOTICE ./
COPY schemas schemas
COPY worker worker
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --quiet --python /opt/emostream --prefix /opt/code --no-deps . \
    && /opt/emostream/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/code/lib

FROM ${BASE} AS runtime
LABEL org.opencontainers.image.title="emostream" \
      org.opencontainers.image.description="A Kafka worker that classifies streams of text with transformers" \
      org.opencontainers.image.licenses="Apache-2.0"
# A fixed number, so that volumes and security contexts can name it. /tmp is the only place that must be writable.
# Models come with the image or are mounted; none is fetched at start.
ENV PATH=/opt/emostream/bin:$PATH \
    HOME=/tmp \
    USER=emostream \
    XDG_CACHE_HOME=/tmp/cache \
    HF_HUB_OFFLINE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 9100
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["emostream", "health"]
ENTRYPOINT ["emostream"]
CMD ["run"]

FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-dependencies /opt/emostream /opt/emostream
COPY --from=code /opt/code /opt/emostream
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}-cuda" org.opencontainers.image.revision="${REVISION}"

# Last, so that a build without --target makes it.
FROM runtime AS cpu
COPY --from=cpu-dependencies /opt/emostream /opt/emostream
COPY --from=code /opt/code /opt/emostream
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
