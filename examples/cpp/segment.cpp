// Label every pixel of a picture as edgeseg does, in C++ alone: ONNX Runtime, OpenCV, and a reader of JSON.
//
//     segment FOLDER PICTURE LABELS.png
//
// FOLDER is an engine that `edgeseg build` made for ONNX Runtime, or a package (.edgeseg), unzipped. The labels
// are a byte a pixel: an index into the spec's class_names, or 255 where classes may be absent and none is there.
// docs/contract.md has every number that is computed here, and those of detectors, which this program refuses.

#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>
#include <onnxruntime_cxx_api.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

using nlohmann::json;

// ---- The contract: manifest.json of an engine, package.json of a package ---------------------------------------

struct Contract {
    std::filesystem::path model;
    json spec;
    json options;  // of the engine; a package leaves them to ONNX Runtime
};

Contract read_contract(const std::filesystem::path& folder) {
    const bool is_engine = std::filesystem::exists(folder / "manifest.json");
    std::ifstream file(folder / (is_engine ? "manifest.json" : "package.json"));
    if (!file) throw std::runtime_error(folder.string() + " is neither an engine nor an unzipped package");
    const json told = json::parse(file);
    if (is_engine && told.at("backend") != "onnxruntime")
        throw std::runtime_error("the engine is of " + told.at("backend").dump() + ", not of ONNX Runtime");
    const json options = is_engine ? told.at("options") : json::object();
    const json& spec = told.at("spec");
    if (spec.at("schema_version") != 1) throw std::runtime_error("the spec is of another version than 1");
    if (spec.at("task") != "semantic") throw std::runtime_error("only networks that label pixels are read here");
    if (spec.at("input").at("channels") != 3 || spec.at("input").at("dtype") != "uint8")
        throw std::runtime_error("the network takes no pictures of three channels of a byte");
    return {folder / options.value("model_file", "model.onnx"), spec, options};
}

// ---- From the frame to the input -------------------------------------------------------------------------------

// Where a frame lies in the input, in pixels.
struct Placement {
    int top, left, height, width;
};

Placement place(cv::Size frame, const json& input) {
    const int height = input.at("height"), width = input.at("width");
    const double down = double(height) / frame.height, across = double(width) / frame.width;
    const std::string policy = input.at("resize");
    if (policy == "stretch") return {0, 0, height, width};
    if (policy == "letterbox") {
        const double scale = std::min(down, across);
        const int h = std::max(1, int(std::floor(frame.height * scale + 0.5)));
        const int w = std::max(1, int(std::floor(frame.width * scale + 0.5)));
        const bool centred = input.at("pad_side") == "both";  // the odd pixel of padding is right and below
        return {centred ? (height - h) / 2 : 0, centred ? (width - w) / 2 : 0, h, w};
    }
    Placement largest{0, 0, 0, 0};  // shortest_edge: one side fits exactly, the other is truncated
    for (const double scale : {down, across}) {
        const int h = std::max(1, int(frame.height * scale)), w = std::max(1, int(frame.width * scale));
        if (h <= height && w <= width && std::tie(h, w) > std::tie(largest.height, largest.width))
            largest = {0, 0, h, w};
    }
    return largest;
}

// Weights (resized, size) of a triangle that grows where an axis shrinks: Pillow's and PyTorch's antialiasing.
cv::Mat triangle(int size, int resized) {
    const double scale = double(size) / resized, reach = std::max(scale, 1.0);
    cv::Mat weights(resized, size, CV_32F);
    for (int i = 0; i < resized; ++i) {
        double total = 0;
        const auto weight = [&](int k) { return std::max(0.0, 1 - std::abs(k + 0.5 - (i + 0.5) * scale) / reach); };
        for (int k = 0; k < size; ++k) total += weight(k);
        for (int k = 0; k < size; ++k) weights.at<float>(i, k) = float(weight(k) / total);
    }
    return weights;
}

void resize(const cv::Mat& frame, cv::Mat& out, const std::string& filter) {
    if (filter == "linear") return cv::resize(frame, out, out.size(), 0, 0, cv::INTER_LINEAR);
    if (filter == "area") return cv::resize(frame, out, out.size(), 0, 0, cv::INTER_AREA);
    const cv::Mat rows = triangle(frame.rows, out.rows), columns = triangle(frame.cols, out.cols).t();
    std::vector<cv::Mat> planes;
    cv::split(frame, planes);
    for (cv::Mat& plane : planes) {
        plane.convertTo(plane, CV_32F);
        plane = rows * plane * columns;
        plane.forEach<float>([](float& value, const int*) { value = std::floor(value + 0.5f); });
        plane.convertTo(plane, CV_8U);
    }
    cv::merge(planes, out);
}

// The whole input (height, width) of BGR bytes, with the frame at its place.
cv::Mat prepare(const cv::Mat& frame, const Placement& at, const json& input) {
    const std::vector<double> pad = input.at("pad_bgr");
    cv::Mat image(input.at("height"), input.at("width"), CV_8UC3, cv::Scalar(pad[0], pad[1], pad[2]));
    cv::Mat window = image(cv::Rect(at.left, at.top, at.width, at.height));
    if (frame.size() == window.size()) frame.copyTo(window);
    else resize(frame, window, input.at("resize_filter"));
    return image;
}

// ---- The network -----------------------------------------------------------------------------------------------

class Network {
public:
    explicit Network(const Contract& contract) : batch_(contract.spec.at("input").at("batch")) {
        Ort::SessionOptions options;
        options.SetIntraOpNumThreads(contract.options.value("intra_op_threads", 0));
        if (contract.options.value("graph_optimization", "all") == "disabled")  // it was saved optimised
            options.SetGraphOptimizationLevel(ORT_DISABLE_ALL);
        session_ = Ort::Session(env_, contract.model.c_str(), options);
        output_ = contract.spec.at("outputs").at(0).at("name");
    }

    // Labels (N, H, W) of bytes, or logits (N, C, h, w) of floats. Every item of the batch is the same image.
    Ort::Value operator()(const cv::Mat& image) {
        std::vector<uint8_t> items;
        for (int64_t i = 0; i < batch_; ++i) items.insert(items.end(), image.datastart, image.dataend);
        const int64_t shape[] = {batch_, image.rows, image.cols, image.channels()};
        const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
        const auto input = Ort::Value::CreateTensor<uint8_t>(memory, items.data(), items.size(), shape, 4);
        const char *in = "image", *out = output_.c_str();
        return std::move(session_.Run(Ort::RunOptions{}, &in, &input, 1, &out, 1).front());
    }

private:
    Ort::Env env_{ORT_LOGGING_LEVEL_ERROR};
    Ort::Session session_{nullptr};
    std::string output_;
    int64_t batch_;
};

// ---- From the output to the frame ------------------------------------------------------------------------------

// Each pixel of the frame takes the label of the input's pixel in which its centre lies.
cv::Mat labels_in_frame(const uint8_t* labels, int input_width, const Placement& at, cv::Size frame) {
    cv::Mat found(frame, CV_8U);
    for (int64_t y = 0; y < frame.height; ++y)
        for (int64_t x = 0; x < frame.width; ++x) {
            const int64_t row = at.top + (2 * y + 1) * at.height / (2 * frame.height);
            const int64_t column = at.left + (2 * x + 1) * at.width / (2 * frame.width);
            found.at<uint8_t>(y, x) = labels[row * input_width + column];
        }
    return found;
}

// The samples before and after the centre of each pixel along an axis, and how far it is between them, 0 to 1.
struct Between {
    int before, after;
    float weight;
};

std::vector<Between> between(int frame, int start, int content, int input, int samples) {
    std::vector<Between> all(frame);
    for (int i = 0; i < frame; ++i) {
        const double place = (start + (i + 0.5) * (double(content) / frame)) * (double(samples) / input) - 0.5;
        const int below = int(std::floor(place));
        all[i] = {std::max(below, 0), std::min(below + 1, samples - 1), float(place - below)};
    }
    return all;
}

// The class whose logits (C, h, w), which cover the input, are largest where they are interpolated; of classes
// that may overlap the likeliest that is there, or 255.
cv::Mat labels_of_logits(const float* logits, int classes, cv::Size grid, const std::vector<Between>& rows,
                         const std::vector<Between>& columns, bool overlapping) {
    cv::Mat labels(int(rows.size()), int(columns.size()), CV_8U);
    for (int y = 0; y < labels.rows; ++y)
        for (int x = 0; x < labels.cols; ++x) {
            const Between down = rows[y], across = columns[x];
            float best = overlapping ? 0.0f : -INFINITY;
            uint8_t label = 255;
            for (int c = 0; c < classes; ++c) {
                const float* plane = logits + int64_t(c) * grid.area();
                const auto value = [&](int row, int column) { return plane[row * grid.width + column]; };
                const auto at = [&](int column) {
                    const float above = value(down.before, column);
                    return above + (value(down.after, column) - above) * down.weight;
                };
                const float left = at(across.before), score = left + (at(across.after) - left) * across.weight;
                if (score > best) {  // ties go to the lower class
                    best = score;
                    label = uint8_t(c);
                }
            }
            labels.at<uint8_t>(y, x) = label;
        }
    return labels;
}

cv::Mat segment(const cv::Mat& frame, Network& network, const json& spec) {
    const json& input = spec.at("input");
    const int height = input.at("height"), width = input.at("width");
    const Placement at = place(frame.size(), input);
    const Ort::Value output = network(prepare(frame, at, input));
    if (spec.at("output_kind") == "labels")
        return labels_in_frame(output.GetTensorData<uint8_t>(), width, at, frame.size());
    const auto shape = output.GetTensorTypeAndShapeInfo().GetShape();  // (N, C, h, w)
    const cv::Size grid{int(shape[3]), int(shape[2])};
    return labels_of_logits(output.GetTensorData<float>(), int(shape[1]), grid,
                            between(frame.rows, at.top, at.height, height, grid.height),
                            between(frame.cols, at.left, at.width, width, grid.width),
                            spec.at("head").at("kind") == "multilabel");
}

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: segment FOLDER PICTURE LABELS.png\n";
        return 2;
    }
    try {
        const cv::Mat frame = cv::imread(argv[2], cv::IMREAD_COLOR);
        if (frame.empty()) throw std::runtime_error(std::string(argv[2]) + " is no picture that OpenCV reads");
        const Contract contract = read_contract(argv[1]);
        Network network(contract);
        if (!cv::imwrite(argv[3], segment(frame, network, contract.spec)))
            throw std::runtime_error(std::string(argv[3]) + " cannot be written");
    } catch (const std::exception& error) {
        std::cerr << "error: " << error.what() << "\n";
        return 1;
    }
}
