# The host with one plugin:
#
#   docker build --build-arg PLUGIN=outlink --build-arg MODEL=outlink-topic-model -t liftwing-outlink .
#   docker run -p 8080:8080 -e LIFTWING_DEMO=true liftwing-outlink        # the demo model, no files needed
#   docker run -p 8080:8080 -v /path/to/model.bin:/mnt/models/model.bin:ro liftwing-outlink
#
# What follows the image's name goes to `liftwing-host`, which serves if that is not a command: `--workers 2`,
# `models`, `--help`. User 65532 must be able to read the model. Nothing is written, so that `--read-only --cap-drop
# all` costs nothing. Requests under way may take LIFTWING_DRAIN_TIMEOUT (30 seconds) after SIGTERM, but Docker kills
# after 10: `--stop-timeout 40` lets them.

ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG PLUGIN=outlink
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY host host
COPY plugins/${PLUGIN} plugin
# The base's pip fills the environment from outside: it needs none of its own. What builds the wheels (hatchling)
# lives in folders that pip removes again; should a plugin need a compiler, it belongs here, and stays here.
RUN python3 -m venv --without-pip /opt/liftwing \
 && python3 -m pip --python /opt/liftwing/bin/python install --no-cache-dir --disable-pip-version-check . ./plugin

# The same base again, since the environment refers to its interpreter.
FROM ${BASE}
ARG MODEL=outlink-topic-model
COPY --from=build /opt/liftwing /opt/liftwing
# A new volume takes its owner from here: `docker run -v models:/mnt/downloads IMAGE download NAME` may write to it.
RUN install -d -o 65532 -g 65532 /mnt/downloads
ENV PATH=/opt/liftwing/bin:$PATH \
    LIFTWING_MODELS=${MODEL} \
    LIFTWING_PORT=8080 \
    LIFTWING_DOWNLOADS=/mnt/downloads
EXPOSE 8080
# A number, since Kubernetes' runAsNonRoot cannot look up a name. It owns nothing that it runs.
USER 65532:65532
# Liveness, not readiness: `GET /` waits for no worker, and answers while the model is loaded or missing, too.
# http.client, since urllib would ask the proxy of HTTP_PROXY. Change the port by LIFTWING_PORT alone: it reads that.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["python3", "-Ic", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['LIFTWING_PORT']), timeout=4); c.request('GET', '/'); sys.exit(c.getresponse().status != 200)"]
# In the exec form the host is process 1 and gets SIGTERM itself: it drains and exits with 0.
ENTRYPOINT ["liftwing-host"]
CMD ["serve"]
