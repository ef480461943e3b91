// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The host daemon: paravirtual backends, the API and the command line. */
@SuppressWarnings("module") // the fuzz targets come after this module in the build
module dev.varve.hv {
    requires transitive dev.varve.vdi;
    requires transitive dev.varve.sr;
    requires dev.varve.intellicache;
    requires dev.varve.migration;
    requires com.fasterxml.jackson.databind;
    requires io.netty.buffer;
    requires io.netty.codec;
    requires io.netty.codec.http;
    requires io.netty.common;
    requires io.netty.handler;
    requires io.netty.transport;
    requires io.prometheus.metrics.core;
    requires io.prometheus.metrics.model;
    requires io.prometheus.writer.text;
    requires java.management;
    requires java.sql;
    requires java.xml;
    requires org.apache.commons.io;
    requires org.slf4j;
    requires org.xerial.sqlitejdbc;

    exports dev.varve.hv.cli;
    exports dev.varve.hv.daemon;
    exports dev.varve.hv.http;
    exports dev.varve.hv.metrics;
    exports dev.varve.hv.nbd;
    exports dev.varve.hv.state;
    exports dev.varve.hv.storage;
    exports dev.varve.hv.xe;
    exports dev.varve.hv.xenapi;
    exports dev.varve.hv.xenapi.schema;

    uses dev.varve.sr.spi.SrDriver;
}
