// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.vhd.VhdFinding.Weight;

import java.util.ArrayList;
import java.util.List;

/**
 * Checks an image and everything that it rests on: each image by itself, and whether it is the one
 * that the image above was made on.
 *
 * <p><b>Threads:</b> any; calls block.
 */
public final class VhdChainCheck {
    private static final String PARENT = "the parent";

    /** What was found in one file. */
    public record Checked(String name, VhdCheck.Result result) {}

    private final VhdCheck check;
    private final VhdChain.Neighbours neighbours;

    /**
     * @param neighbours where the parents are
     */
    public VhdChainCheck(VhdCheck check, VhdChain.Neighbours neighbours) {
        this.check = check;
        this.neighbours = neighbours;
    }

    /** Checks a chain; the files are told from the given one to the bottom. */
    public List<Checked> check(String name, BlockAccess top) {
        List<Checked> all = new ArrayList<>();
        VhdChain.Way way = new VhdChain.Way(name, neighbours);
        VhdChain.Named at = new VhdChain.Named(name, top, false);
        while (at != null) {
            List<VhdFinding> findings =
                    new ArrayList<>(at.raw() ? List.of() : check.check(at.access()).findings());
            VhdChain.Named parent = parent(at, way, findings);
            all.add(new Checked(at.name(), new VhdCheck.Result(findings)));
            at = parent;
        }
        return all;
    }

    /** What the image rests on, if it says so and it is there. */
    private static VhdChain.Named parent(
            VhdChain.Named child, VhdChain.Way way, List<VhdFinding> findings) {
        VhdImage image = child.raw() ? null : read(child.access());
        if (image == null || image.parent() == null) {
            return null;
        }
        ParentLink link = image.parent();
        VhdChain.Named parent;
        try {
            parent = way.next(link);
        } catch (StorageException e) {
            findings.add(
                    new VhdFinding(
                            Weight.INVALID,
                            PARENT,
                            "cannot be used: " + e.sentence(),
                            "put the parent into the same directory, under its name"));
            return null;
        }
        VhdImage found = parent.raw() ? null : read(parent.access());
        String problem =
                parent.raw() || found != null
                        ? VhdChain.mismatch(link, parent.name(), found)
                        : null;
        if (problem != null) {
            findings.add(
                    new VhdFinding(
                            Weight.INVALID,
                            PARENT,
                            "is another one: " + problem,
                            "put the right parent into the same directory, under its name"));
        }
        return parent;
    }

    /** The metadata, or null when it cannot be used, which the check of that image tells. */
    private static VhdImage read(BlockAccess access) {
        try {
            return VhdImage.read(access);
        } catch (StorageException e) {
            return null;
        }
    }

    /** What a chain comes to: the worst of its images. */
    public static VhdVerdict verdict(List<Checked> checked) {
        return checked.stream()
                .map(each -> each.result().verdict())
                .max(VhdVerdict::compareTo)
                .orElse(VhdVerdict.VALID);
    }
}
