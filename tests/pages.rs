//! The scripts of the pages: they run in an engine beside as much of a browser as they need (`pages/dom.js`).

use std::collections::BTreeMap;
use std::path::Path;

use lmsc::compile::compile;
use lmsc::show::picture::{Holds, Picture, Placed, Plan, Plans, Style, draw, place, plans};
use lmsc::text::Source;
use rquickjs::{CatchResultExt, Context, FromJs, Runtime};

/// A page whose scripts have run.
struct Page {
    runtime: Runtime,
    context: Context,
}

impl Page {
    /// Nothing but the browser.
    fn empty() -> Self {
        let runtime = Runtime::new().expect("an engine");
        let context = Context::full(&runtime).expect("a context");
        let page = Self { runtime, context };
        page.run(include_str!("pages/dom.js"));
        page
    }

    fn get<T: for<'a> FromJs<'a>>(&self, script: &str) -> T {
        self.context.with(|ctx| match ctx.eval::<T, _>(script).catch(&ctx) {
            Ok(value) => value,
            Err(e) => panic!("{e}\nin: {:.200}", script),
        })
    }

    /// Runs a script, what it has promised, and what waits for the next frame.
    fn run(&self, script: &str) {
        self.get::<()>(&format!("{script}\n;undefined"));
        while self.runtime.is_job_pending() {
            assert!(self.runtime.execute_pending_job().is_ok(), "a promise is kept");
        }
        self.get::<()>("globalThis.frame?.()");
    }
}

/// What stands between two texts.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    page.split_once(from).and_then(|(_, rest)| rest.split_once(to)).expect("it is there").0
}

/// A page's data and its script, run.
fn opened(page: &Page, html: &str) {
    let data = between(html, "<script type=\"application/json\" id=\"data\">", "</script>");
    page.run(&format!("document.getElementById('data').textContent = {}", serde_json::Value::from(data)));
    page.run(between(html, "<script>", "</script>"));
}

fn picture(name: &str) -> Picture {
    let source = Source::read(&Path::new("graphs").join(name)).expect("a graph");
    let program = compile(&source, &[], None).expect("it compiles");
    Picture::new(&program, &[]).expect("a picture")
}

/// The boxes of a layout by their items: left, top, width, height.
fn boxes(all: &Plans, plan: &Plan, placed: &Placed, [x, y]: [f64; 2], found: &mut BTreeMap<usize, [f64; 4]>) {
    for (s, slot) in plan.slots.iter().enumerate() {
        let Holds::Item(i) = slot.holds else { continue };
        let (w, h) = placed.size[s];
        let (left, top) = (x + placed.x[s] - w / 2.0, y + placed.y[s] - h / 2.0);
        found.insert(i, [left, top, w, h]);
        if let (Some(inner), Some(plan)) = (placed.inside.get(&s), &all.inside[i]) {
            // Below the title, which is 30 pixels high.
            boxes(all, plan, inner, [x + placed.x[s] - inner.width / 2.0, top + 30.0], found);
        }
    }
}

#[test]
fn the_page_of_a_graph_lays_it_out_as_the_program_does() {
    for name in ["lightmedseg.ron", "lightmedseg-detail.ron", "unetpp.ron"] {
        let p = picture(name);
        let all = plans(&p);
        let page = Page::empty();
        opened(&page, &draw(&p, &p.opened_to(1), Style::Html));
        for depth in [1, 2, 9] {
            let open = p.opened_to(depth);
            let listed: Vec<usize> = (0..open.len()).filter(|i| open[*i]).collect();
            page.run(&format!("open.clear(); {listed:?}.forEach(i => open.add(i)); render();"));
            let drawn: String = page.get("JSON.stringify([...boxes].map(([i, b]) => [i, [b.x, b.y, b.w, b.h]]))");
            let drawn: Vec<(usize, [f64; 4])> = serde_json::from_str(&drawn).expect("boxes");
            let mut expected = BTreeMap::new();
            boxes(&all, &all.root, &place(&p, &all, &open), [0.0, 0.0], &mut expected);
            assert_eq!(drawn.len(), expected.len(), "{name}, depth {depth}");
            for (i, at) in drawn {
                let near = at.iter().zip(&expected[&i]).all(|(a, b)| (a - b).abs() < 0.05);
                assert!(near, "{name}, depth {depth}: {} is at {at:?}, not at {:?}", p.items[i].path, expected[&i]);
            }
        }
    }
}

#[test]
fn the_page_of_a_graph_is_moved_searched_and_told_of() {
    let p = picture("lightmedseg.ron");
    let page = Page::empty();
    opened(&page, &draw(&p, &p.opened_to(1), Style::Html));
    let panel = || page.get::<String>("panel.textContent");
    assert!(panel().contains("Most MACs"), "{}", panel());
    page.run("$('search').value = 'dec4'; $('search').fire('input'); found.querySelector('button').click();");
    assert!(panel().contains("dec4") && panel().contains("parameters"), "{}", panel());
    assert!(page.get::<String>("location.hash").contains("select=dec4"));
    page.run("const before = view.k; fire('keydown', { key: '+' });");
    assert!(page.get::<bool>("view.k > before"));
    page.run("svg.fire('wheel', { deltaY: 100, clientX: 5, clientY: 5 }); fire('keydown', { key: 'o' }); fire('keydown', { key: 'c' }); fire('keydown', { key: 't' }); fire('resize', {});");
    assert_eq!(page.get::<usize>("open.size"), 0);
    assert_eq!(page.get::<String>("$('all').textContent"), "Open all");
    page.run("$('all').click();");
    assert_eq!(page.get::<String>("$('all').textContent"), "Close all");
    assert_eq!(page.get::<String>("document.documentElement.dataset.theme"), "dark");
}

#[test]
fn a_chart_says_its_values_under_the_pointer() {
    let page = Page::empty();
    let curves =
        r#"{"left": 40, "right": 550, "low": 1, "high": 3, "curves": [{"name": "Dice", "c": 0, "x": [1, 2, 3], "y": [0.25, 0.5, null]}]}"#;
    page.run(&format!(
        "const chart = document.createElement('svg'), line = document.createElement('line');
        chart.className = 'chart'; chart.dataset.curves = {}; chart.viewBox = {{ baseVal: {{ width: 560 }} }}; chart.style.width = '560'; line.className = 'at';
        chart.append(line); document.body.append(chart);",
        serde_json::Value::from(curves)
    ));
    page.run(include_str!("../src/report/page/page.js"));
    page.run("chart.fire('pointermove', { clientX: 300, clientY: 10 })");
    let said: String = page.get("tip.textContent");
    assert_eq!(said, "epoch 2Dice0.5");
    page.run("chart.fire('pointermove', { clientX: 549, clientY: 10 }); const last = tip.textContent; chart.fire('pointerleave');");
    assert_eq!(page.get::<String>("last"), "epoch 3");
    assert!(page.get::<bool>("tip.hidden"));
}

#[cfg(feature = "predict")]
mod viewer {
    use lmsc::volume::viewer::{Viewer, html};
    use lmsc::volume::{Class, Colour, Header, Volume};
    use ndarray::{Array3, Array4, ArrayView3};

    use super::{Page, between, opened};

    const SIZE: [usize; 3] = [6, 9, 7];

    /// An image in which each voxel is told by its neighbours, and maps of two classes that agree in part.
    fn files() -> (Volume, Array3<u8>, Array3<u8>) {
        let affine = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let [d, h, w] = SIZE;
        let data = Array4::from_shape_fn((1, d, h, w), |(_, d, h, w)| ((d * 31 + h * 17 + w * 7) % 97) as f32);
        let image = Volume { data, spacing: [2.0, 1.0, 1.0], affine, header: Header::plain(SIZE, 1, [2.0, 1.0, 1.0]) };
        let prediction = Array3::from_shape_fn((d, h, w), |(_, h, w)| if h < 6 { u8::from(w < 4) } else { 2 * u8::from(w > 3) });
        let reference = Array3::from_shape_fn((d, h, w), |(_, h, w)| if h < 5 { u8::from(w < 5) } else { u8::from(w > 3) });
        (image, prediction, reference)
    }

    fn page(begin_with_errors: bool) -> (Page, Array3<u8>, Array3<u8>) {
        let (image, prediction, reference) = files();
        let layers: [(&str, ArrayView3<u8>); 2] = [("prediction", prediction.view()), ("reference", reference.view())];
        let classes = [1, 2].map(|v| Class { value: v.into(), place: v, name: format!("class {v}"), colour: Colour::of(v.into()) });
        let channels = [];
        let what = Viewer {
            title: "case",
            image: &image,
            channels: &channels,
            layers: &layers,
            classes: &classes,
            errors: begin_with_errors,
            limit: 1 << 20,
        };
        let text = html(&what).expect("a page");
        let page = Page::empty();
        // Voxels along NIfTI's axes, as they are here: x fastest.
        let bytes = |v: Vec<u8>| format!("{v:?}");
        let grey = image.data.iter().map(|v| *v as u8).collect();
        let parts = [grey, prediction.iter().copied().collect(), reference.iter().copied().collect()].map(bytes).join(", ");
        page.run(&format!(
            "globalThis.PARTS = [{parts}]; for (let n = 0; n < 3; n++) document.getElementById(`part${{n}}`).textContent = String(n);"
        ));
        assert!(!between(&text, "id=\"part2\">", "</script>").is_empty());
        opened(&page, &text);
        (page, prediction, reference)
    }

    #[test]
    fn the_page_draws_what_the_files_hold() {
        let (page, ..) = page(false);
        assert!(page.get::<bool>("$('note').hidden"), "{}", page.get::<String>("$('note').textContent"));
        assert_eq!(page.get::<usize>("maps.length"), 3);
        // With no labels and no cross-hair a pixel of a plane has the grey of the voxel that is under the pointer there, at any zoom.
        let compare = "
            state.layers = [false, false]; $('cross').checked = false;
            function wrong() {
              let count = 0;
              for (const v of views) {
                const { width, height } = v.canvas, pixels = v.canvas.getContext('2d').image.data;
                for (let y = 0; y < height; y += 7) for (let x = 0; x < width; x += 5) {
                  const at = voxel(v, { clientX: x + 0.5, clientY: y + 0.5 }), c = state;
                  const grey = Math.max(0, Math.min(255, Math.round(255 * (maps[0][index(at)] - c.low) / Math.max(c.high - c.low, 1e-6))));
                  if (pixels[4 * (y * width + x)] !== grey) count++;
                }
              }
              return count;
            }
            window_(0, 96);";
        page.run(compare);
        assert_eq!(page.get::<usize>("wrong()"), 0);
        page.run("zoomTo(3, [0.2, 0.7, 0.5])");
        assert_eq!(page.get::<usize>("wrong()"), 0, "zoomed");
        page.run("pan(views[0], -40, 25)");
        assert_eq!(page.get::<usize>("wrong()"), 0, "panned");
        page.run("zoomTo(1)");
        assert_eq!(page.get::<String>("JSON.stringify(state.start)"), "[0,0,0]");
    }

    #[test]
    fn zoom_holds_what_is_under_the_pointer() {
        let (page, ..) = page(false);
        page.run(
            "const v = views[1], e = { clientX: 61, clientY: 47, ctrlKey: true, deltaY: -120 }, before = held(v, e);
            v.canvas.fire('wheel', e);
            const after = held(v, e), far = Math.max(...before.map((b, axis) => Math.abs(b - after[axis])));",
        );
        assert!(page.get::<bool>("state.zoom > 1.5 && far < 1e-9"), "{}", page.get::<f64>("far"));
        // The cross-hair stays in sight when it is stepped out of it, and nothing beyond the volume is shown.
        page.run("zoomTo(4); for (let n = 0; n < 20; n++) views[0].canvas.fire('keydown', { key: 'ArrowLeft' });");
        let inside = "state.start.every((s, a) => s >= 0 && s <= 1 - 1 / state.zoom) && [0, 1].every(a => { const p = part(data.size[a], state.at[a]) - state.start[a]; return p >= 0 && p <= 1 / state.zoom; })";
        assert!(page.get::<bool>(inside));
        assert_eq!(page.get::<usize>("state.at[0]"), 6);
        // Two fingers that part zoom; one with Alt pans.
        page.run(
            "zoomTo(1); const c = views[0].canvas;
            c.fire('pointerdown', { pointerId: 1, clientX: 50, clientY: 50 }); c.fire('pointerdown', { pointerId: 2, clientX: 90, clientY: 50 });
            c.fire('pointermove', { pointerId: 2, clientX: 130, clientY: 50 });",
        );
        assert!((page.get::<f64>("state.zoom") - 2.0).abs() < 1e-9);
        page.run("c.fire('pointerup', { pointerId: 1 }); c.fire('pointerup', { pointerId: 2 }); const start = state.start[1];");
        page.run("c.fire('pointerdown', { altKey: true, clientX: 50, clientY: 50 }); c.fire('pointermove', { altKey: true, clientX: 50, clientY: 30 });");
        assert!(page.get::<bool>("state.start[1] > start"));
        page.run("fire('keydown', { key: '0' }); fire('keydown', { key: '-' }); fire('keydown', { key: '+' });");
        assert_eq!(page.get::<f64>("state.zoom"), 1.25);
    }

    #[test]
    fn errors_are_told_from_labels() {
        let (page, prediction, reference) = page(false);
        page.run("fire('keydown', { key: 'e' })");
        assert!(page.get::<bool>("state.errors && $('layers').hidden && !$('errors').hidden && $('show').value === 'errors'"));
        // The whole axial plane 2 against the files. A plane begins at its high ends.
        let kinds: Vec<u8> = page.get("[...differences(map('prediction'), map('reference'), steps(data.size, PLANES[0], 2), new Set())]");
        let [_, h, w] = SIZE;
        let expected: Vec<u8> = (0..h * w)
            .map(|n| [2, h - 1 - n / w, w - 1 - n % w])
            .map(|at| match (prediction[at], reference[at]) {
                (0, 0) => 0,
                (a, b) if a == b => 1,
                (_, 0) => 2,
                (0, _) => 3,
                _ => 4,
            })
            .collect();
        assert_eq!(kinds, expected);
        assert!((1..=4).all(|k| kinds.contains(&k)));
        // A class that is hidden is background.
        let of_one: Vec<u8> =
            page.get("[...differences(map('prediction'), map('reference'), steps(data.size, PLANES[0], 2), new Set([2]))]");
        assert!(of_one.contains(&3) && !of_one.contains(&4));
        // What is under the pointer is told, and drawn in its colour.
        let at = kinds.iter().position(|k| *k == 4).expect("another class");
        page.run(&format!("state.at = [{}, {}, 2]; $('opacity').value = 100; draw();", w - 1 - at % w, h - 1 - at / w));
        assert!(page.get::<String>("$('labels').textContent").ends_with("another class"));
        page.run(&format!(
            "$('cross').checked = false; draw(); frame(); const c = views[0].canvas, spot = 4 * (Math.floor(({} + 0.5) / {h} * c.height) * c.width + Math.floor(({} + 0.5) / {w} * c.width));",
            at / w,
            at % w
        ));
        // It is hatched: some of the pixels around have the colour, and some are the image's own, which is grey.
        page.run(
            "const near = [...Array(13).keys()].map(k => spot + 4 * (k - 6)).map(n => [...c.getContext('2d').image.data.slice(n, n + 3)]);",
        );
        assert!(page.get::<bool>("near.some(p => rgb(data.errors[3].colour).every((v, i) => Math.abs(v - p[i]) <= 1))"));
        page.run("$('show').value = 'labels'; $('show').fire('change');");
        assert!(!page.get::<bool>("state.errors"));
    }

    #[test]
    fn prediction_and_reference_are_drawn_differently() {
        let (page, ..) = page(false);
        // Of one class, at the edge of both: the prediction's colour is its own, the reference's is paler.
        let shades = "(only => { state.layers = only; $('opacity').value = 100; $('cross').checked = false; draw(); frame();
            const c = views[0].canvas, all = c.getContext('2d').image.data, seen = new Set();
            for (let i = 0; i < all.length; i += 4) seen.add(`${all[i]},${all[i + 1]},${all[i + 2]}`);
            return seen; })";
        page.run(&format!(
            "const prediction = {shades}([true, false]), reference = {shades}([false, true]), own = rgb(data.classes[0].colour);"
        ));
        assert!(page.get::<bool>("prediction.has(own.join(',')) && !reference.has(own.join(',')) && reference.has(pale(own).join(','))"));
        let (begun, ..) = self::page(true);
        assert!(begun.get::<bool>("state.errors"));
    }
}
