# Sourced by the scripts of this folder: finds Java and Maven, and builds what they run. Says in one line what is missing.
# shellcheck shell=sh

skip() {
    echo "skipped: the Java client needs $1" >&2
    if [ "${CI:-}" = true ]; then exit 1; else exit 77; fi
}

need_java() {
    java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    found=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    if [ -z "$found" ]; then skip 'Java 17 or newer; found none'; fi
    if [ "$found" -lt 17 ]; then skip "Java 17 or newer; found $found"; fi
    command -v "${java}c" >/dev/null 2>&1 || skip 'a JDK; found only a Java that runs programs'
    command -v mvn >/dev/null 2>&1 || skip 'Maven 3.8 or newer; found none'
}

maven() {
    mvn -q -B -ntp -Dstyle.color=never "$@"
}

# Compiles the client and its tests, and writes the class path; nothing if nothing has changed since.
build() {
    stamp=target/built
    if [ ! -f "$stamp" ] || [ ! -s target/test-classpath ] \
        || [ -n "$(find pom.xml src ../../protos/mink/v1 -newer "$stamp" -print | head -n 1)" ]; then
        mkdir -p target
        : >target/building
        maven test-compile dependency:build-classpath -Dmdep.outputFile=target/test-classpath -Dmdep.includeScope=test >&2
        mv target/building "$stamp"
    fi
    classpath=target/classes:target/test-classes:$(cat target/test-classpath)
}
