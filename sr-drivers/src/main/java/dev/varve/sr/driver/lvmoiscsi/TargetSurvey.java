// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmoiscsi;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.sr.iscsi.login.Discovery;
import dev.varve.sr.iscsi.session.ControlSession;
import dev.varve.sr.iscsi.session.LunDetails;
import dev.varve.sr.spi.ProbeDocument;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * Finds out what there is to choose from behind some portals: targets, and the LUNs of one.
 *
 * <p><b>Threads:</b> any that may wait.
 */
final class TargetSurvey {
    private static final long PATIENCE_MILLIS = 15_000;

    private final LvmOverIscsiConfig config;
    private final SrContext context;

    TargetSurvey(LvmOverIscsiConfig config, SrContext context) {
        this.config = config;
        this.context = context;
    }

    /**
     * A target that a portal shows.
     *
     * @param portals where it can be reached, in the order in which they were told
     */
    record Offer(IscsiName name, List<Portal> portals) {}

    /** The targets that the portals show, each once, and each with all portals that were told. */
    List<Offer> targets() {
        Map<IscsiName, LinkedHashSet<Portal>> found = new LinkedHashMap<>();
        firstThatWorks(
                portal -> {
                    for (Discovery.Target target : ask(portal)) {
                        LinkedHashSet<Portal> portals =
                                found.computeIfAbsent(target.name(), _ -> new LinkedHashSet<>());
                        target.addresses().forEach(address -> portals.add(address.portal()));
                    }
                    return found;
                });
        List<Offer> offers = new ArrayList<>();
        found.forEach((name, portals) -> offers.add(new Offer(name, List.copyOf(portals))));
        return offers;
    }

    private List<Discovery.Target> ask(Portal portal) {
        return new Discovery(context.random())
                .sendTargets(
                        portal,
                        config.initiator(),
                        config.chap(),
                        Deadline.in(context.clock(), PATIENCE_MILLIS));
    }

    /** The first portal that does not fail tells; when all do, the failure of the first does. */
    private <T> T firstThatWorks(Function<Portal, T> work) {
        Optional<StorageException> first = Optional.empty();
        for (Portal portal : config.portals()) {
            try {
                return work.apply(portal);
            } catch (StorageException e) {
                first.ifPresent(e::addSuppressed);
                first = first.or(() -> Optional.of(e));
            }
        }
        throw first.orElseThrow();
    }

    /** The target that is meant, and where it can be reached. */
    Offer target() {
        if (config.target().isPresent() && !config.allPortals()) {
            return new Offer(config.target().get(), config.portals());
        }
        List<Offer> offers = new ArrayList<>(targets());
        List<Offer> all = List.copyOf(offers);
        config.target().ifPresent(name -> offers.removeIf(offer -> !offer.name().equals(name)));
        if (offers.size() != 1) {
            throw ErrorCode.CONFIG_TARGET_IQN_MISSING.documented(
                    offers.isEmpty()
                            ? config.place() + " is not among the targets that are offered"
                            : config.place() + " offers several targets; choose one",
                    document(all));
        }
        LinkedHashSet<Portal> portals = new LinkedHashSet<>(config.portals());
        if (config.allPortals()) {
            portals.addAll(offers.getFirst().portals());
        }
        return new Offer(offers.getFirst().name(), List.copyOf(portals));
    }

    /** The disks that a target has. */
    List<LunDetails> luns(Offer target) {
        return firstThatWorks(
                portal -> {
                    SessionSpec spec =
                            SessionSpec.of(
                                    config.initiator(),
                                    target.name(),
                                    Isid.random(context.random()),
                                    portal,
                                    config.chap());
                    try (ControlSession session =
                            new ControlSession(
                                    spec,
                                    new Connector(context.random()),
                                    context.clock(),
                                    PATIENCE_MILLIS)) {
                        return LunDetails.ofTarget(session);
                    }
                });
    }

    /** The LUN that is meant. */
    LunDetails lun(Offer target) {
        List<LunDetails> luns = luns(target);
        return luns.stream()
                .filter(lun -> config.scsiId().map(lun.scsiId()::equals).orElse(true))
                .filter(lun -> config.lun().isEmpty() || config.lun().getAsInt() == lun.lun())
                .findFirst()
                .orElseThrow(
                        () ->
                                ErrorCode.CONFIG_SCSI_ID_MISSING.documented(
                                        notThere(target), lunDocument(luns)));
    }

    private String notThere(Offer target) {
        String wanted =
                config.scsiId().map(id -> "SCSIid " + id).orElse("")
                        + (config.scsiId().isPresent() && config.lun().isPresent() ? " and " : "")
                        + (config.lun().isPresent() ? "LUNid " + config.lun().getAsInt() : "");
        return "the target %s has no LUN with %s; choose one of those that it has"
                .formatted(target.name(), wanted);
    }

    // ---- documents

    /** The targets, and last one that stands for any of them. */
    String document(List<Offer> offers) {
        ProbeDocument document = new ProbeDocument("iscsi-target-iqns");
        int index = 0;
        for (Offer offer : offers) {
            for (Portal portal : offer.portals()) {
                entry(document, index++, portal, offer.name().value());
            }
        }
        entry(document, index, config.portals().getFirst(), LvmOverIscsiConfig.ANY);
        return document.text();
    }

    private static void entry(ProbeDocument document, int index, Portal portal, String name) {
        document.open("TGT")
                .element("Index", Integer.toString(index))
                .element("IPAddress", portal.host());
        if (portal.port() != Portal.DEFAULT_PORT) {
            document.element("Port", Integer.toString(portal.port()));
        }
        document.element("TargetIQN", name).close();
    }

    /** The LUNs of a target. */
    static String lunDocument(List<LunDetails> luns) {
        ProbeDocument document = new ProbeDocument("iscsi-target");
        for (LunDetails lun : luns) {
            document.open("LUN")
                    .element("vendor", lun.vendor())
                    .element("serial", lun.serial())
                    .element("LUNid", Integer.toString(lun.lun()))
                    .element("size", Long.toString(lun.sizeBytes()))
                    .element("SCSIid", lun.scsiId())
                    .close();
        }
        return document.text();
    }
}
