# The host with one plugin:
#
#   docker build --build-arg PLUGIN=outlink --build-arg MODEL=outlink-topic-model -t liftwing-outlink .
#   docker run -p 8080:8080 -v /path/to/models:/mnt/models:ro liftwing-outlink
#   docker run -p 8080:8080 -e LIFTWING_DEMO=true liftwing-outlink        # the demo model, no files needed

ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG PLUGIN=outlink
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY host host
COPY plugins/${PLUGIN} plugin
RUN python3 -m venv /opt/liftwing \
 && /opt/liftwing/bin/pip install --no-cache-dir --disable-pip-version-check . ./plugin \
 && /opt/liftwing/bin/pip uninstall --yes pip setuptools

FROM ${BASE}
ARG MODEL=outlink-topic-model
COPY --from=build /opt/liftwing /opt/liftwing
ENV PATH=/opt/liftwing/bin:$PATH \
    LIFTWING_MODELS=${MODEL} \
    LIFTWING_PORT=8080 \
    LIFTWING_DOWNLOADS=/mnt/downloads
EXPOSE 8080
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s --start-period=60s \
  CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['LIFTWING_PORT'], timeout=2)"]
# In the exec form the host is process 1 and gets SIGTERM itself: it drains and exits with 0.
ENTRYPOINT ["liftwing-host", "serve"]
