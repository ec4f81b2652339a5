# auditor with everything a report needs, as a user without rights:
#   docker build -t auditor .
#   docker run --rm -v "$PWD:/work" auditor run --model bundled:efficientnet_lite0 --classes zebra
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
# The CPU build of torch: a quarter of the size. Give --build-arg TORCH_INDEX= for the default one.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} ".[demo,sign]"

RUN useradd --create-home auditor && mkdir /work && chown auditor /work
USER auditor
WORKDIR /work
ENTRYPOINT ["auditor"]
CMD ["--help"]
