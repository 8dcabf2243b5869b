# The host with any of the plugins in plugins/, by the names of their folders:
#
#   docker build -t liftwing-outlink .
#   docker build --build-arg PLUGINS="outlink ores revscoring" --build-arg MODELS=enwiki-goodfaith -t liftwing .
#   docker run -p 8080:8080 -e LIFTWING_DEMO=true liftwing-outlink        # the demo model, no files needed
#   docker run -p 8080:8080 -v /path/to/model.bin:/mnt/models/model.bin:ro liftwing-outlink
#
# What follows the image's name goes to `liftwing-host`, which serves if that is not a command: `--workers 2`,
# `models`, `--help`. User 65532 must be able to read the model. Nothing is written, so that `--read-only --cap-drop
# all` costs nothing. Requests under way may take LIFTWING_DRAIN_TIMEOUT (30 seconds) after SIGTERM, but Docker kills
# after 10: `--stop-timeout 40` lets them. (buildah and podman build with `--format docker`: OCI's format has no
# HEALTHCHECK.)
#
# docs/images.md has the build arguments, and what a plugin may ask of the image.

ARG BASE=python:3.11-slim-bookworm

# What the build arguments choose, and no more: the later stages stay cached where none of it has changed.
FROM ${BASE} AS chosen
ARG PLUGINS=outlink
WORKDIR /src
COPY plugins plugins
COPY locks locks
RUN mkdir /chosen && cp locks/build.txt /chosen && touch /chosen/locked.txt /chosen/build-packages.txt /chosen/packages.txt \
 && for plugin in ${PLUGINS}; do \
      test -e "plugins/$plugin/pyproject.toml" || { echo "PLUGINS: there is no plugins/$plugin" >&2; exit 1; }; \
      test -e "locks/$plugin.txt" || { echo "PLUGINS: there is no locks/$plugin.txt; make lock writes it" >&2; exit 1; }; \
      cp -r "plugins/$plugin" "locks/$plugin.txt" /chosen; \
      echo "-r $plugin.txt" >> /chosen/locked.txt; \
      for list in build-packages packages; do \
        if [ -e "plugins/$plugin/image/$list.txt" ]; then cat "plugins/$plugin/image/$list.txt" >> "/chosen/$list.txt"; fi; \
      done; \
    done

FROM ${BASE} AS build
ARG PIP_ARGS=
# 1980 is the first year that a wheel, being a zip file, can tell. Compiled modules then name no time, either.
ARG SOURCE_DATE_EPOCH=315532800
ENV DEBIAN_FRONTEND=noninteractive \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
WORKDIR /src
COPY --from=chosen /chosen/build-packages.txt /src/
RUN apt-get -qq update \
 && xargs apt-get -qq install --no-install-recommends tini < build-packages.txt > /dev/null
# pip and what builds wheels, in the locked versions, in an environment that stays here.
COPY --from=chosen /chosen/build.txt /src/
RUN python3 -m venv --without-pip /build \
 && python3 -m pip --python /build/bin/python install --quiet --require-hashes ${PIP_ARGS} -r build.txt
COPY --from=chosen /chosen/*.txt /src/
RUN /build/bin/python -m pip wheel --quiet --wheel-dir /wheels --no-deps --no-build-isolation --require-hashes ${PIP_ARGS} -r locked.txt
COPY --from=chosen /chosen plugins
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY host host
# Without an index: what is neither locked nor ours is not found.
RUN /build/bin/python -m pip wheel --quiet --wheel-dir /wheels --no-index --no-deps --no-build-isolation . ./plugins/*/ \
 && python3 -m venv --without-pip /opt/liftwing \
 && /build/bin/python -m pip --python /opt/liftwing/bin/python install --quiet --no-index --no-deps /wheels/*.whl \
 && { /build/bin/python -m pip --python /opt/liftwing/bin/python check \
   || { echo "A lock is older than its pyproject.toml: make lock renews it." >&2; exit 1; }; } \
 && for step in plugins/*/image/install.sh; do \
      if [ -e "$step" ]; then sh "$step" /build/bin/python /opt/liftwing ${PIP_ARGS} || exit 1; fi; \
    done \
 && find /opt/liftwing -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

# The same base again, since the environment refers to its interpreter.
FROM ${BASE}
COPY --from=chosen /chosen/packages.txt /tmp/
# A new volume takes its owner from these folders: `docker run -v models:/mnt/downloads IMAGE download NAME` may write to
# it. /mnt/events wants one, too, where events go to EventGate (docs/events.md).
RUN if [ -s /tmp/packages.txt ]; then \
      apt-get -qq update \
      && DEBIAN_FRONTEND=noninteractive xargs apt-get -qq install --no-install-recommends < /tmp/packages.txt > /dev/null \
      && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log; \
    fi \
 && rm /tmp/packages.txt \
 && install -d -o 65532 -g 65532 /mnt/downloads /mnt/events
COPY --from=build /usr/bin/tini /usr/bin/tini
COPY --from=build /opt/liftwing /opt/liftwing
ARG MODELS=outlink-topic-model
ARG VERSION=
ARG REVISION=
ARG SOURCE=
ENV PATH=/opt/liftwing/bin:$PATH \
    LIFTWING_MODELS=${MODELS} \
    LIFTWING_PORT=8080 \
    LIFTWING_DOWNLOADS=/mnt/downloads \
    LIFTWING_EVENTS=/mnt/events/events.sqlite
LABEL org.opencontainers.image.title="liftwing-host" \
      org.opencontainers.image.description="Serves machine-learning models over KServe's HTTP routes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
EXPOSE 8080
# A number, since Kubernetes' runAsNonRoot cannot look up a name. It owns nothing that it runs.
USER 65532:65532
# Liveness, not readiness: `GET /` waits for no worker, and answers while the model is loaded or missing, too.
# http.client, since urllib would ask the proxy of HTTP_PROXY. Change the port by LIFTWING_PORT alone: it reads that.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["python3", "-Ic", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['LIFTWING_PORT']), timeout=4); c.request('GET', '/'); sys.exit(c.getresponse().status != 200)"]
# As process 1, tini passes signals on, so that the host drains and exits with 0, and buries the processes whose parents
# have died: the host knows its own workers, but not what a plugin begins.
ENTRYPOINT ["tini", "--", "liftwing-host"]
CMD ["serve"]
