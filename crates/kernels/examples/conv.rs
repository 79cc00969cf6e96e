//! Times convolutions and their gradients (processor time over threads, so that what else runs weighs little): `cargo run --release -p lmsc-kernels --example conv [filter]`.

use lmsc_kernels::conv::ConvShape;
use lmsc_kernels::tile::ConvWindow;

#[global_allocator]
static MEMORY: lmsc_kernels::ReuseAllocator = lmsc_kernels::ReuseAllocator::new();

/// Seconds that the processors have spent on this process, or those of the clock where the system does not say.
fn spent() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |t: std::fs::DirEntry| std::fs::read_to_string(t.path().join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok();
    threads.filter_map(of).sum::<f64>() * 1e-9
}

fn main() {
    let threads = rayon::current_num_threads() as f64;
    let filter = std::env::args().nth(1).unwrap_or_default();
    let turns: usize = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(7);
    let cases: &[(&str, usize, usize, usize, usize, usize, usize)] = &[
        // name, inputs, outputs, size, kernel, stride, dilation
        ("k3 4->32 @64", 4, 32, 64, 3, 1, 1),
        ("k3 32->32 @64", 32, 32, 64, 3, 1, 1),
        ("k3 64->32 @64", 64, 32, 64, 3, 1, 1),
        ("k3 32->64 @64 s2", 32, 64, 64, 3, 2, 1),
        ("k3 32->32 @32", 32, 32, 32, 3, 1, 1),
        ("k3 64->64 @32", 64, 64, 32, 3, 1, 1),
        ("k3 128->64 @32", 128, 64, 32, 3, 1, 1),
        ("k3 64->128 @32 s2", 64, 128, 32, 3, 2, 1),
        ("k3 128->128 @16", 128, 128, 16, 3, 1, 1),
        ("k3 256->128 @16", 256, 128, 16, 3, 1, 1),
        ("k3 128->256 @16 s2", 128, 256, 16, 3, 2, 1),
        ("k3 256->256 @8", 256, 256, 8, 3, 1, 1),
        ("k3 512->256 @8", 512, 256, 8, 3, 1, 1),
        ("k3 256->320 @8 s2", 256, 320, 8, 3, 2, 1),
        ("k3 320->320 @4", 320, 320, 4, 3, 1, 1),
        ("k3 640->320 @4", 640, 320, 4, 3, 1, 1),
        ("k3 320->320 @2", 320, 320, 2, 3, 1, 1),
        ("k2 32->64 @64 s2", 32, 64, 64, 2, 2, 1),
        ("k2 320->320 @4 s2", 320, 320, 4, 2, 2, 1),
        ("k1 32->4 @64", 32, 4, 64, 1, 1, 1),
        ("k1 64->32 @32", 64, 32, 32, 1, 1, 1),
        ("k1 256->512 @8", 256, 512, 8, 1, 1, 1),
        ("k5 16->16 @64", 16, 16, 64, 5, 1, 1),
        ("k5 32->32 @32", 32, 32, 32, 5, 1, 1),
        ("k3 16->16 @64", 16, 16, 64, 3, 1, 1),
        ("k3 8->8 @64", 8, 8, 64, 3, 1, 1),
        ("k3 5->5 @64", 5, 5, 64, 3, 1, 1),
        ("k3 20->20 @64 d4", 20, 20, 64, 3, 1, 4),
    ];
    println!("{:22} {:>9} {:>24} {:>24} {:>24}", "", "GFLOP", "forward ms GFLOP/s", "input ms GFLOP/s", "weights ms GFLOP/s");
    for (name, inputs, outputs, n, k, stride, dilation) in cases.iter().filter(|c| c.0.contains(&filter)) {
        let padding = if *k == 2 { 0 } else { (k - 1) / 2 * dilation };
        let out = (n + 2 * padding - (k - 1) * dilation - 1) / stride + 1;
        let window = ConvWindow { kernel: [*k; 3], stride: [*stride; 3], padding: [padding; 3], dilation: [*dilation; 3] };
        let shape = ConvShape { batch: 1, inputs: *inputs, outputs: *outputs, groups: 1, size: [*n; 3], output: [out; 3], window };
        let x: Vec<f32> = (0..inputs * n * n * n).map(|i| (i % 113) as f32 / 113.0 - 0.5).collect();
        let w: Vec<f32> = (0..inputs * outputs * k * k * k).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
        let gy: Vec<f32> = (0..outputs * out * out * out).map(|i| (i % 101) as f32 / 101.0 - 0.5).collect();
        let mut dw = w.clone();
        let work = 2.0 * (k * k * k * inputs * outputs) as f64 * (out * out * out) as f64 * 1e-9;
        let mut best = [f64::INFINITY; 3];
        for _ in 0..turns {
            let mut time = |i: usize, f: &mut dyn FnMut()| {
                let start = spent();
                f();
                best[i] = best[i].min((spent() - start) / threads);
            };
            time(0, &mut || drop(shape.forward(&x, &w, &[])));
            time(1, &mut || drop(shape.grad_input(&gy, &w, &[])));
            time(2, &mut || shape.grad_weight(&x, &gy, &mut dw));
        }
        let cell = |t: f64| format!("{:>12.2} {:>11.0}", t * 1e3, work / t);
        println!("{name:22} {work:>9.2} {} {} {}", cell(best[0]), cell(best[1]), cell(best[2]));
    }
}
