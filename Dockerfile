# Every component of Airflow on servers: one image, the component is the command (docker-compose.yaml).
# The environment is that of the lock, the same in which the tests run; Airflow's own image brings other versions.
FROM python:3.12.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 TF_CPP_MIN_LOG_LEVEL=2
WORKDIR /opt/lanner

# The packages before the code: they change less often, and take minutes and 4 GB.
COPY requirements.txt ./
RUN pip install --disable-pip-version-check "$(grep -E -o '^uv==[^ ]+' requirements.txt)" \
    && uv pip install --system --no-cache -r requirements.txt

COPY LICENSE ./
COPY include ./include
COPY plugins ./plugins
COPY dags ./dags

# Which code this is, recorded with every model: docker build --build-arg CODE_VERSION=$(git describe --always --dirty)
ARG CODE_VERSION=unknown
ENV LANNER_CODE_VERSION=${CODE_VERSION} \
    LANNER_HOME=/opt/lanner/state \
    LANNER_SETTINGS=/opt/lanner/lanner.yaml \
    AIRFLOW_HOME=/opt/lanner/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/lanner/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/lanner/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    PYTHONPATH=/opt/lanner:/opt/lanner/plugins:/opt/lanner/include/trainer/src

# Volumes take over whose these folders are.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin lanner \
    && mkdir -p "$LANNER_HOME" "$AIRFLOW_HOME" \
    && chown lanner:lanner "$LANNER_HOME" "$AIRFLOW_HOME"
USER lanner

CMD ["airflow", "version"]
