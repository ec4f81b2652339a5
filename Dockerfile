# auditor with everything a report needs, as a user without rights:
#   docker build -t auditor .
#   docker run --rm -v "$PWD:/audits" auditor run --model bundled:efficientnet_lite0 --classes zebra
FROM python:3.12-slim

RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends \
      libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core fontconfig \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/auditor
COPY pyproject.toml README.md LICENSE ./
COPY auditor ./auditor
COPY templates ./templates
COPY concept_banks ./concept_banks
# For a CPU build of torch, a quarter of the size: --build-arg TORCH_INDEX=URL of an index that has them.
ARG TORCH_INDEX=
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} ".[demo,sign]"

RUN useradd --create-home auditor && mkdir /audits && chown auditor /audits
USER auditor
WORKDIR /audits
ENTRYPOINT ["auditor"]
CMD ["--help"]
