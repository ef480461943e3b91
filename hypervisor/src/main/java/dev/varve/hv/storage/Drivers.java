// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.sr.spi.SrDriver;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeMap;

/** The drivers of storage repositories by type. */
public final class Drivers {
    private final Map<String, SrDriver> byType = new TreeMap<>();

    /** The given drivers; each type once. */
    public Drivers(Iterable<SrDriver> all) {
        for (SrDriver driver : all) {
            if (byType.put(driver.type(), driver) != null) {
                throw new IllegalArgumentException("two drivers serve type " + driver.type());
            }
        }
    }

    /** All drivers that are installed. */
    public static Drivers installed() {
        return new Drivers(ServiceLoader.load(SrDriver.class));
    }

    /** The types that there are drivers for. */
    public List<String> types() {
        return List.copyOf(byType.keySet());
    }

    /**
     * The driver of a type.
     *
     * @throws dev.varve.vdi.StorageException SR_UNKNOWN_DRIVER
     */
    public SrDriver require(String type) {
        SrDriver driver = byType.get(type);
        if (driver == null) {
            throw ErrorCode.SR_UNKNOWN_DRIVER.with(type);
        }
        return driver;
    }
}
