# The image of one service, for all of its roles: `make images`, or
#   docker build --build-arg SERVICE=auth --tag pixera/auth .
# What is in it is listed in /opt/pixera/sbom.cdx.json (CycloneDX).
ARG BASE=docker.io/library/python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${BASE} AS build
ARG SERVICE
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/image.txt requirements/${SERVICE}.txt ./
# Wheels only: nothing is compiled, here or later. pip installs from outside, so that it is not in the image, and what
# packages bring to test themselves with goes: 21 MB, of numpy's most.
RUN python3 -m venv tools \
 && tools/bin/pip install --quiet --require-hashes --only-binary :all: -r image.txt \
 && python3 -m venv --without-pip /opt/pixera \
 && tools/bin/pip --python /opt/pixera/bin/python install --quiet --require-hashes --only-binary :all: -r ${SERVICE}.txt \
 && find /opt/pixera/lib -depth -type d '(' -name tests -o -name SelfTest ')' -exec rm -r {} + \
 && tools/bin/cyclonedx-py environment --output-reproducible --output-file /opt/pixera/sbom.cdx.json /opt/pixera/bin/python
COPY libs /srv/libs
COPY services/__init__.py services/__main__.py /srv/services/
COPY services/${SERVICE} /srv/services/${SERVICE}
COPY contracts/data-map.json /srv/contracts/
COPY LICENSE /srv/
# The root is read-only when it runs: what is to be compiled to bytecode is so now.
RUN /opt/pixera/bin/python -m compileall -q /srv && rm -rf /srv/libs/common/testing

FROM ${BASE}
ARG SERVICE
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pixera ${SERVICE}" \
      org.opencontainers.image.description="An AI image platform that can prove it forgot you: the service ${SERVICE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/pixera/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/pixera /opt/pixera
COPY --from=build /srv /srv
WORKDIR /srv
# No name: the kubelet can tell that a number is not root.
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["python", "-m", "services"]
